"""A live stream that survives its connections."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dfd.clients import events as ev
from dfd.clients.audio import AudioFormat
from dfd.clients.options import RetryPolicy, StreamOptions
from dfd.clients.transport.buffer import AudioBuffer
from dfd.clients.transport.link import Link
from dfd.clients.transport.shared import StreamState

if TYPE_CHECKING:  # a name that exists only in the stubs, for type checkers
    from dfd.v1.detection_pb2_grpc import DetectionServiceAsyncStub


class DetectionStream:
    """Audio in, events out; created by `AsyncDetectionClient.stream` and used as a context.

    Entering connects and waits for the server's `Started`. `send` takes audio and `finish` ends it;
    iterating yields the events up to the summary. A lost connection is re-established under the
    same id; what the buffer could not hold meanwhile becomes a gap on the time line and is
    reported by `Reconnected`. Leaving the context abandons the stream.

    Attributes:
        stream_id: its id here, in the server's log and across reconnections.
        audio_format: how `send` interprets bytes.
    """

    def __init__(
        self,
        stub: DetectionServiceAsyncStub,
        metadata: tuple[tuple[str, str], ...],
        audio_format: AudioFormat,
        options: StreamOptions,
        retry: RetryPolicy,
        *,
        live: bool,
        buffer_seconds: float,
    ) -> None:
        self.stream_id = options.stream_id or f"c-{uuid.uuid4().hex}"
        self.audio_format = audio_format
        self._live = live
        self._state = StreamState(AudioBuffer(audio_format, buffer_seconds, live=live))
        options = replace(options, stream_id=self.stream_id)
        self._link = Link(stub, metadata, audio_format, options, retry, self._state, live=live)
        self._task: asyncio.Task[None] | None = None

    @property
    def started(self) -> ev.Started:
        """The server's first response: model, effective windows and policy, limits.

        Raises:
            RuntimeError: if the stream was not entered yet.
        """
        if not self._state.opened.done():
            raise RuntimeError("enter the stream first: async with client.stream(...) as stream")
        return self._state.opened.result()

    @property
    def position_seconds(self) -> float:
        """Position on the time line of the end of the audio taken so far."""
        return self.audio_format.seconds(self._state.buffer.position)

    @property
    def waiting_seconds(self) -> float:
        """Audio taken but not yet sent."""
        return self.audio_format.seconds(len(self._state.buffer))

    @property
    def lost_seconds(self) -> float:
        """Audio dropped so far, without being scored, because the buffer was full."""
        return self.audio_format.seconds(self._state.buffer.dropped)

    @property
    def over(self) -> bool:
        """Whether the stream takes no more audio; iterating says why."""
        return self._state.over

    async def __aenter__(self) -> Self:
        """Connects and waits for `Started`.

        Raises:
            DetectionError: if the server refused the stream, or did not answer in time.
        """
        self._task = asyncio.create_task(self._link.run())
        try:
            await asyncio.shield(self._state.opened)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Abandons the stream, whatever state it is in; closing again does nothing."""
        self._state.end()
        self._state.opened.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def send(self, content: bytes, sample_offset: int | None = None) -> bool:
        """Sends whole interleaved frames.

        A live stream never waits here: when the buffer is full, its oldest audio is dropped
        and becomes a gap. Any other stream waits until there is room.

        Args:
            content: audio in the stream's format.
            sample_offset: position of the first frame; give it if audio was lost upstream.

        Returns:
            False once the stream is over; iterating says why.

        Raises:
            ValueError: on a partial frame, an offset that runs backwards, or audio after `finish`.
        """
        state = self._state
        while not self._live and state.buffer.full and not state.over:
            state.space.clear()
            # the link makes room or ends the stream: each of its waits has a limit
            await state.space.wait()
        return self.send_nowait(content, sample_offset)

    def send_nowait(self, content: bytes, sample_offset: int | None = None) -> bool:
        """Sends audio like `send`, without waiting, for callbacks in the event loop."""
        if self._state.buffer.finished:
            raise ValueError("the stream was finished: open another one for more audio")
        if self._state.over:
            return False
        self._state.buffer.append(content, sample_offset)
        self._state.changed.set()
        return True

    async def finish(self) -> None:
        """Marks the end of the audio; the last results and the summary follow."""
        self._state.buffer.finished = True
        self._state.changed.set()

    async def send_all(self, chunks: AsyncIterable[bytes] | Iterable[bytes]) -> None:
        """Sends every chunk, then finishes; stops early when the stream is over.

        If the source fails, the stream is abandoned and the source's exception is raised here.
        """
        try:
            if isinstance(chunks, AsyncIterable):
                async for chunk in chunks:
                    if not await self.send(chunk):
                        break
            else:
                for chunk in chunks:
                    if not await self.send(chunk):
                        break
                    await asyncio.sleep(0)
        except BaseException:
            self._state.end()
            raise
        await self.finish()

    async def __aiter__(self) -> AsyncIterator[ev.Event]:
        """Yields events until the stream is over.

        Raises:
            DetectionError: if the stream ended with an error.
        """
        state = self._state
        while not (state.over and state.events.empty()):
            # no limit: a caller may be silent for hours, and the link ends the stream if it fails
            event = await state.events.get()
            if event is None:
                break
            yield event
        if state.error is not None:
            raise state.error
