"""One whole recording: the core of a stream, fed as fast as the device allows."""

import asyncio
import contextlib

import grpc
import grpc.aio

from dfd.daemon.endpoint.auth import Token
from dfd.daemon.errors import StatusError, from_stream_error, invalid
from dfd.daemon.journal.call import Ready
from dfd.daemon.rpc.audio import AudioRpc
from dfd.daemon.rpc.coalesce import slices
from dfd.daemon.rpc.emission import Emission
from dfd.daemon.rpc.ends import ClientGoneError
from dfd.daemon.rpc.reader import read_message
from dfd.daemon.runtime import DrainPlan, Runtime
from dfd.daemon.wire import describe, events, requests
from dfd.messages import to_message
from dfd.streaming import types as core
from dfd.v1 import detection_pb2 as pb

# Fed in pieces of this length, so that other streams run in between.
_SLICE_SECONDS = 0.25


class Recording(AudioRpc):
    """Serves one call of `Detect`; `run` is called once.

    Args:
        token: the caller's; None where none is asked for.
    """

    def __init__(
        self,
        runtime: Runtime,
        context: grpc.aio.ServicerContext[bytes, bytes],
        token: Token | None = None,
    ) -> None:
        super().__init__("recording", runtime, context, token)
        self._response = pb.DetectResponse()
        self._timer: asyncio.TimerHandle | None = None
        self._kept: list[Ready | None] = []

    async def run(self) -> pb.DetectResponse:
        """Receives the recording and scores it.

        Raises:
            StatusError: with the status that it ends with, unless that is OK.
            ClientGoneError: if the client left.
        """
        name = "internal_error"
        self._runtime.rpcs.add(self)
        try:
            await self._take_and_judge()
            name = "client_done"
        except StatusError as error:
            name = "draining" if error.reason == events.SERVER_DRAINING else "client_error"
            raise
        except core.StreamError as error:
            name = "client_error"
            raise from_stream_error(error) from None
        except (asyncio.CancelledError, ClientGoneError):
            name = "cancelled"
            raise
        finally:
            self._runtime.rpcs.discard(self)
            self._runtime.metrics.recordings.labels(name).inc()
            if self._timer is not None:
                self._timer.cancel()
            self._close(name)
        return self._response

    def drain(self, plan: DrainPlan) -> None:
        """Gives up shortly before the grace period ends."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(plan.end_seconds, self._give_up)

    def warn(self, reason: str, message: str) -> None:
        """Adds a warning to the result."""
        self._response.warnings.append(events.server_warning(reason, message, self.audio_seconds))

    async def _take_and_judge(self) -> None:
        """Receives and scores the recording, once there is room for the largest one."""
        options, uploads = self._runtime.options, self._runtime.uploads
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(options.upload_timeout_seconds):
                    pace = self._runtime.paces.of_peer(self._context.peer())
                    await asyncio.sleep(pace(0))
                    largest = options.max_recording_bytes
                    shrink = await stack.enter_async_context(uploads.room(largest))
                    request = await self._read()
            except TimeoutError:
                raise StatusError(
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                    "UPLOAD_TIMEOUT",
                    f"the recording had not arrived after {options.upload_timeout_seconds:g} s; "
                    "send it faster, send less, or stream it",
                    retry_seconds=options.retry_seconds,
                ) from None
            pace(len(request.audio))
            shrink(len(request.audio))
            await self._judge(request)

    async def _read(self) -> pb.DetectRequest:
        raw = await read_message(self._context)
        if raw is None:
            raise invalid("EMPTY_REQUEST", "the call contains no request; send the recording")
        return requests.parse(pb.DetectRequest, raw)

    async def _judge(self, request: pb.DetectRequest) -> None:
        options = self._runtime.options
        size = len(request.audio)
        if size > options.max_recording_bytes:
            raise invalid(
                "RECORDING_TOO_LARGE",
                f"the recording has {size} bytes; send at most {options.max_recording_bytes}, "
                "or stream it",
            )
        self.model = model = self._runtime.choose(request.model, self._token)
        spec = model.spec
        self._response.model.CopyFrom(describe.model_message(spec))
        session = requests.session_options(request, spec, options.max_channel_count)
        pipeline = self._open(session, self._tell)
        config = pb.StreamingDetectConfig()
        started = pb.StreamStarted(
            stream_id=self.stream_id,
            model=self._response.model,
            effective_config=describe.effective_config(config, self.stream_id, session, spec),
        )
        await self._begin_journal(started)
        frame = session.audio_format.bytes_per_frame
        step = frame * round(session.audio_format.sample_rate_hz * _SLICE_SECONDS)
        for piece in slices(request.audio, step, frame):
            await pipeline.until_room()
            pipeline.feed(piece)
            await asyncio.sleep(0)
        pipeline.finish()
        await pipeline.until_settled()
        found = pipeline.summary()
        for ready in (*self._kept, self._keep_summary(found)):
            if ready is not None:
                await ready()
        end = pb.StreamSummary.END_REASON_CLIENT_DONE
        summary = to_message(pb.StreamSummary, channels=found, end_reason=end)
        self._response.summary.CopyFrom(summary)

    def _give_up(self) -> None:
        if self._pipeline is not None:
            self._pipeline.fail(self._runtime.drain_error())

    def _tell(self, emission: Emission) -> None:
        event = emission.event
        if isinstance(event, core.WindowResult):
            self._keep(event)
            result = events.window_result(event, emission.timing, emission.members)
            self._response.windows.append(result)
        elif isinstance(event, core.Alert):
            self._kept.append(self._keep(event))
            self._response.alerts.append(to_message(pb.Alert, event))
        elif isinstance(event, core.StreamWarning):
            self._response.warnings.append(to_message(pb.Warning, event))
