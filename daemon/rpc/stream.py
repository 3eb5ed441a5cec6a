"""One live stream: requests in, responses out, cleaned up however it ends."""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine

import grpc.aio

from dfd.daemon.endpoint.auth import Token
from dfd.daemon.errors import StatusError
from dfd.daemon.resume.checkpoints import REFUSED, Checkpoints
from dfd.daemon.rpc import ends
from dfd.daemon.rpc.audio import AudioRpc
from dfd.daemon.rpc.emission import Emission
from dfd.daemon.rpc.ends import ClientGoneError, End
from dfd.daemon.rpc.noted import note_start
from dfd.daemon.rpc.outbox import Outbox
from dfd.daemon.rpc.reader import Reader, read_config
from dfd.daemon.rpc.timers import Timers
from dfd.daemon.runtime import DrainPlan, Runtime
from dfd.daemon.vitals.capacity import Hold
from dfd.daemon.watch.sight import Sight
from dfd.daemon.wire import describe, events, requests
from dfd.messages import to_message
from dfd.streaming import types as core
from dfd.v1 import detection_pb2 as pb

# A stream that the server ends waits this long for its last windows.
_SETTLE_SECONDS = 10.0


class Stream(AudioRpc):
    """Serves one call of `StreamingDetect`; `run` is called once.

    Args:
        token: the caller's; None where none is asked for.
    """

    def __init__(
        self,
        runtime: Runtime,
        context: grpc.aio.ServicerContext[bytes, bytes],
        token: Token | None = None,
    ) -> None:
        super().__init__("stream", runtime, context, token)
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[End] = self._loop.create_future()
        self._outbox = Outbox()
        self._timers = Timers()
        self._tasks: list[asyncio.Task[None]] = []
        self._reader: Reader | None = None
        self._sight: Sight | None = None
        self._checkpoints: Checkpoints | None = None
        self._hold: Hold | None = None

    async def run(self) -> None:
        """Serves the stream to its end.

        Raises:
            StatusError: with the status that it ends with, unless that is OK.
            ClientGoneError: if the client left.
        """
        self._runtime.rpcs.add(self)
        name, reason = "internal_error", None
        try:
            try:
                reader_task, writer_task = await self._start()
            except StatusError:
                name = "refused"
                raise
            end = await self._end
            if end.gone:
                raise ClientGoneError
            if end.fault is not None:
                raise end.fault
            if end.mute and end.error is not None:
                name = end.name
                raise end.error
            reader_task.cancel()
            await asyncio.wait([reader_task])
            end = await self._settle(end, writer_task)
            name = end.name
            if end.error is not None:
                raise end.error
        except StatusError as error:
            reason = error.reason
            raise
        except (asyncio.CancelledError, ClientGoneError):
            name = "cancelled"
            raise
        finally:
            self._runtime.rpcs.discard(self)
            if self._sight is not None:
                self._runtime.roster.leave(self._sight, name.upper())
                self._sight = None
            self._runtime.metrics.streams.labels(name).inc()
            self._timers.cancel()
            if self._hold is not None:
                self._hold.leave()
            for task in self._tasks:
                task.cancel()
            self._close(name, reason)
            self._outbox.abandon()
            self._reader = None  # it refers to this stream
            # a cancelled task keeps its traceback, and the traceback keeps this stream
            tasks, self._tasks = self._tasks, []
            await asyncio.gather(*tasks, return_exceptions=True)

    def drain(self, plan: DrainPlan) -> None:
        """Warns the client, and ends the stream shortly before the grace period ends."""
        end = ends.draining(self._runtime.drain_error())
        if self._pipeline is None:
            self._request_end(end)
            return
        self.warn(events.SERVER_DRAINING, events.draining_words(plan.grace_seconds))
        self._timers.after(plan.end_seconds, functools.partial(self._request_end, end))
        self._timers.after(plan.hurry_seconds, self._pipeline.hurry)

    def warn(self, reason: str, message: str) -> None:
        """Sends the client a warning about the server, ahead of everything that waits."""
        if self._pipeline is not None:
            warning = events.server_warning(reason, message, self.audio_seconds)
            self._runtime.metrics.warnings.labels(reason).inc()
            self._outbox.put_first(pb.StreamingDetectResponse(warning=warning))

    async def _start(self) -> tuple[asyncio.Task[None], asyncio.Task[None]]:
        """Reads the configuration, sends `started`, and starts reader and writer."""
        options = self._runtime.options
        config = await read_config(self._context, self._end, options.config_timeout_seconds)
        self.model = model = self._runtime.choose(config.model, self._token)
        spec = model.spec
        requests.check_identity(config)
        self.stream_id = config.stream_id or self.stream_id
        session = requests.session_options(config, spec, options.max_channel_count)
        self._hold = self._runtime.capacity.enter(
            len(session.effective_channels), session.effective_hop_seconds, model.seconds_each
        )
        effective = describe.effective_config(config, self.stream_id, session, spec)
        self._checkpoints = checkpoints = Checkpoints(
            self._runtime.seal, effective, spec.weights_sha256, self._token_name
        )
        before = checkpoints.open(config.resume_state)
        tell = functools.partial(self._tell, config)
        keep = config.checkpoints
        try:
            state = None if before is None else before.state
            pipeline = self._open(session, tell, keep_state=keep, state=state)
        except ValueError as error:  # signed, and yet it does not fit
            before = None
            checkpoints.refuse(str(error))
            pipeline = self._open(session, tell, keep_state=keep)
        note_start(
            effective,
            peer=self._context.peer(),
            token=self._token_name,
            resumed=before is not None,
        )
        started = pb.StreamStarted(
            stream_id=self.stream_id,
            model=describe.model_message(spec),
            effective_config=effective,
            limits=describe.limits_message(options),
            resumed=before is not None,
        )
        await self._begin_journal(started)
        if self._journal is not None:
            checkpoints.call = self._journal.call
            if before is not None and before.call:
                self._journal.moved_from(before.call)
        self._sight = Sight(effective, self._context.peer(), pipeline.session)
        self._runtime.roster.enter(self._sight)
        self._outbox.put(pb.StreamingDetectResponse(started=started))
        if checkpoints.refused is not None:
            self.warn(REFUSED, checkpoints.refused)
        reader = Reader(
            self._context,
            pipeline,
            self._outbox,
            options.max_chunk_bytes,
            prompt=config.vad.activity_events,
            on_error=self._raised,
            pace=self._runtime.paces.of_stream(
                self._context.peer(),
                session.audio_format.bytes_per_frame * session.audio_format.sample_rate_hz,
            ),
        )
        self._reader = reader
        reader_task = asyncio.create_task(self._watched(reader.run(), ends.client_done()))
        writer_task = asyncio.create_task(self._watched(self._outbox.write_all(self._write)))
        self._tasks = [reader_task, writer_task]
        self._arm(reader)
        return reader_task, writer_task

    def _arm(self, reader: Reader) -> None:
        """Sets the timeouts, so that no behaviour of the client can hold the stream for ever."""

        def end_by(end: End) -> Callable[[], None]:
            return functools.partial(self._request_end, end)

        options, timers = self._runtime.options, self._timers
        limit = options.write_timeout_seconds
        timers.when_overdue(self._unread_since, limit, end_by(ends.not_reading(limit)))
        if idle := options.idle_timeout_seconds:
            timers.when_overdue(lambda: reader.waiting_since, idle, end_by(ends.idle(idle)))
        if longest := options.max_stream_seconds:
            timers.after(longest, end_by(ends.too_long(longest)))

    def _unread_since(self) -> float | None:
        return self._outbox.writing_since

    async def _settle(self, end: End, writer: asyncio.Task[None]) -> End:
        """Waits for the last windows and writes the summary; returns the final end."""
        pipeline = self._pipeline
        assert pipeline is not None
        assert self._reader is not None
        with contextlib.suppress(core.StreamError):  # the stream has already ended
            self._reader.flush()
        limit = self._runtime.options.settle_timeout_seconds
        if end.error is not None:
            limit = min(limit, _SETTLE_SECONDS)
        # a stream that continues elsewhere has no last window here
        goes_on = end.goes_on and pipeline.session.keeps_state
        if not goes_on:
            pipeline.finish()
        try:
            async with asyncio.timeout(limit):
                await pipeline.until_settled()
        except TimeoutError:
            pipeline.hurry()
            await pipeline.until_settled()
        found = pipeline.summary()
        ready = self._keep_summary(found)
        summary = to_message(pb.StreamSummary, channels=found, end_reason=end.reason)
        checkpoint = self._checkpoint(last=True) if goes_on else None
        message = pb.StreamingDetectResponse(summary=summary, checkpoint=checkpoint)
        self._outbox.put(message, ready=ready)
        self._outbox.close()
        limit = min(limit, self._runtime.options.write_timeout_seconds)
        while not writer.done() and (left := self._timers.left(self._unread_since, limit)) > 0.0:
            await asyncio.wait([writer], timeout=left)
        if pipeline.fault is not None:
            raise pipeline.fault
        return end if writer.done() else ends.not_reading(limit)

    async def _write(self, message: bytes) -> None:
        try:
            await self._context.write(message)
        except grpc.aio.BaseError as error:
            raise ClientGoneError from error

    async def _watched(self, work: Coroutine[None, None, None], end: End | None = None) -> None:
        """Runs the reader or the writer; an exception ends the stream."""
        try:
            await work
        except Exception as error:
            self._raised(error)
        else:
            if end is not None:
                self._request_end(end)

    def _raised(self, error: Exception) -> None:
        end = ends.raised(error)
        fault = ClientGoneError() if end.gone else end.fault
        if fault is not None and self._pipeline is not None:
            self._pipeline.fail(fault)
        self._request_end(end)

    def _request_end(self, end: End) -> None:
        """Requests the end of the stream; the first reason is kept."""
        if not self._end.done():
            self._end.set_result(end)

    def _tell(self, config: pb.StreamingDetectConfig, emission: Emission) -> None:
        """Puts an event of the core into the outbox, if the client wants it."""
        event = emission.event
        if self._sight is not None and self._sight.take(event):
            self._runtime.roster.changed(self._sight)
        if isinstance(event, core.Alert) and self._checkpoints is not None:
            self._checkpoints.alerted()
        checkpoint = self._checkpoint() if emission.settled else None
        ready = self._keep(event) if isinstance(event, core.WindowResult | core.Alert) else None
        message = emission.response(config, checkpoint)
        if message is None:
            return
        timed = emission.scored and message.HasField("window")
        written = functools.partial(self._count_latency, emission.arrived_at) if timed else None
        self._outbox.put(message, written, ready)

    def _checkpoint(self, *, last: bool = False) -> pb.Checkpoint | None:
        """Returns a checkpoint, if requested; None after windows were shed to end in time."""
        pipeline = self._pipeline
        if pipeline is None or self._checkpoints is None or pipeline.hurried:
            return None
        return self._checkpoints.next(pipeline.session, last=last)

    def _count_latency(self, arrived_at: float) -> None:
        assert self.model is not None
        self._runtime.metrics.result_seconds.observe(self.model.scheduler.clock() - arrived_at)
