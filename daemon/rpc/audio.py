"""What the RPCs that judge audio have in common: a pipeline, and what is kept of the call."""

import contextlib
import logging
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable

import grpc.aio

from dfd.daemon.endpoint.auth import Token
from dfd.daemon.journal.call import CallJournal, Ready
from dfd.daemon.logs import log
from dfd.daemon.rpc.pipeline import Emission, Pipeline
from dfd.daemon.runtime import Runtime
from dfd.daemon.scheduling.contract import ServedModel
from dfd.daemon.wire import events
from dfd.streaming import types as core
from dfd.streaming.options import SessionOptions
from dfd.streaming.state import SessionState
from dfd.v1 import detection_pb2 as pb


class AudioRpc(ABC):
    """A live stream or a recording, from its first message to its line in the log.

    Args:
        kind: "stream" or "recording", for the journal and the log.
        token: the caller's; None where none is asked for.

    Attributes:
        stream_id: made by the server until the client has named one.
        model: None until the client has said which one it wants.
    """

    def __init__(
        self,
        kind: str,
        runtime: Runtime,
        context: grpc.aio.ServicerContext[bytes, bytes],
        token: Token | None,
    ) -> None:
        self.stream_id = f"{kind[0]}-{uuid.uuid4().hex[:16]}"
        self.model: ServedModel | None = None
        self._kind = kind
        self._runtime = runtime
        self._context = context
        self._token = token
        self._began_at = time.monotonic()
        self._pipeline: Pipeline | None = None
        self._journal: CallJournal | None = None
        self._clips = None if runtime.clips is None else runtime.clips.call()

    @property
    def audio_seconds(self) -> float:
        """Audio taken so far, of one channel."""
        return 0.0 if self._pipeline is None else self._pipeline.session.audio_seconds

    @abstractmethod
    def warn(self, reason: str, message: str) -> None:
        """Tells the client something worth knowing of the server."""

    def _open(
        self,
        session: SessionOptions,
        tell: Callable[[Emission], None],
        *,
        keep_state: bool = False,
        state: SessionState | None = None,
    ) -> Pipeline:
        """Makes the pipeline to the model, which has been chosen.

        Raises:
            ValueError: if the state does not fit the session.
        """
        assert self.model is not None
        self._pipeline = Pipeline(
            self.stream_id,
            session,
            self._runtime.options,
            self.model.scheduler,
            self._runtime.metrics,
            tell,
            self._runtime.watermarks,
            keep_state=keep_state,
            state=state,
        )
        return self._pipeline

    async def _begin_journal(self, started: pb.StreamStarted) -> None:
        """Notes how the call is judged, where a journal is kept.

        Raises:
            JournalDownError: if the journal is down, and that ends calls.
        """
        assert self.model is not None
        self._journal = self._runtime.call_journal(self._kind, self.warn)
        if self._journal is not None:
            name, peer = self._token_name, self._context.peer()
            await self._journal.begin(started, peer, name, self.model.spec)

    def _keep(self, event: core.WindowResult | core.Alert) -> Ready | None:
        """Keeps an event in clips and journal; what is returned is awaited before it is told."""
        if isinstance(event, core.WindowResult):
            if self._clips is not None:
                self._clips.window(event.window)
            if self._journal is not None:
                self._journal.window(event)
            return None
        clip = None if self._clips is None else self._clips.alert(self.stream_id, event)
        return None if self._journal is None else self._journal.alert(event, clip)

    def _keep_summary(self, channels: list[core.ChannelSummary]) -> Ready | None:
        return None if self._journal is None else self._journal.summary(channels)

    def _close(self, name: str, reason: str | None = None) -> None:
        """Lets go of the audio, and notes the end in log and journal.

        Args:
            name: of the way it ended.
            reason: of the status that it ended with.
        """
        channels: list[core.ChannelSummary] = []
        if self._pipeline is not None:
            self._pipeline.close()
            with contextlib.suppress(Exception):  # a core that failed may fail again
                channels = self._pipeline.summary()
        log(
            logging.INFO,
            f"{self._kind} ended",
            stream_id=self.stream_id,
            peer=self._context.peer(),
            token=self._token_name,
            end=name,
            reason=reason,
            seconds=round(time.monotonic() - self._began_at, 3),
            audio_seconds=round(self.audio_seconds, 3),
            channels=[events.log_fields(channel) for channel in channels],
        )
        if self._journal is not None and self._pipeline is not None:
            self._journal.end(name, reason, self.audio_seconds, channels)
        if self._clips is not None:
            self._clips.close()

    @property
    def _token_name(self) -> str | None:
        return None if self._token is None else self._token.name
