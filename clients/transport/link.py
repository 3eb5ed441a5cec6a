"""The network side of a stream: connects, sends, reads, and reconnects."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import grpc.aio

from dfd.clients import events as ev
from dfd.clients.audio import AudioFormat
from dfd.clients.errors import DetectionError
from dfd.clients.options import RetryPolicy, StreamOptions
from dfd.clients.protocol import wire
from dfd.clients.transport.resume import Resumption
from dfd.clients.transport.retry import Backoff
from dfd.clients.transport.rpc import CallEndedError, StreamCall, ended, half_close, write
from dfd.clients.transport.shared import StreamState
from dfd.clients.transport.status import from_error
from dfd.messages import to_message
from dfd.v1 import detection_pb2 as pb

if TYPE_CHECKING:  # a name that exists only in the stubs, for type checkers
    from dfd.v1.detection_pb2_grpc import DetectionServiceAsyncStub

_DEFAULT_CHUNK_BYTES = 64 << 10
# A call that accepts no more messages should have its status at once; this is in case it has not.
_STATUS_SECONDS = 5.0
# The audio from a checkpoint on is shorter than a window and what is on its way.
_KEPT_WINDOWS = 2.0
_BROKEN = DetectionError("UNAVAILABLE", "CONNECTION_BROKEN", "the connection broke")
_DRAINING = DetectionError("UNAVAILABLE", "SERVER_DRAINING", "the server is shutting down")


class Link:
    """Keeps one stream connected until it is over."""

    def __init__(
        self,
        stub: DetectionServiceAsyncStub,
        metadata: tuple[tuple[str, str], ...],
        audio_format: AudioFormat,
        options: StreamOptions,
        retry: RetryPolicy,
        state: StreamState,
        *,
        live: bool,
    ) -> None:
        self._stub = stub
        self._metadata = metadata
        self._format = audio_format
        self._options = options
        self._retry = retry
        self._state = state
        self._live = live
        self._stall_seconds = retry.stall_seconds if live else retry.summary_seconds
        self._limits_bytes = _DEFAULT_CHUNK_BYTES
        self._judged: dict[int, int] = {}
        self._resumption = Resumption()
        self._checkpoints = False  # whether the server gives them
        self._reported_dropped = 0
        self._reading_since: float | None = None
        self._since: float | None = None  # when the server answered the current connection

    async def run(self) -> None:
        """Connects and reconnects until the summary arrives or retries run out; never raises."""
        state = self._state
        try:
            await self._keep()
        except Exception as error:
            state.error = error
            if not state.opened.done():
                state.opened.set_exception(error)
        finally:
            # the error's frames keep the stream alive until the next garbage collection
            state.buffer.forget()
            state.end()

    async def _keep(self) -> None:
        state = self._state
        backoff = Backoff(self._retry, self._retry.connect_seconds)
        lost_before = False
        while True:
            summary: ev.Summary | None = None
            try:
                summary = await self._connect(backoff.attempts)
                if not self._left(summary):
                    return
                error = _DRAINING
            except DetectionError as caught:
                error = caught
            if self._since is not None:
                connected_seconds = time.monotonic() - self._since
                if not lost_before or connected_seconds > self._retry.max_delay_seconds:
                    backoff = Backoff(self._retry, self._retry.reconnect_seconds)
                lost_before = True
            delay = backoff.next_delay(error)
            if delay is None:
                if summary is not None:
                    await state.events.put(summary)
                raise error
            if state.opened.done():
                state.buffer.rewind()
                await state.events.put(
                    ev.ConnectionLost(error.code, error.reason, error.message, delay, summary)
                )
            await asyncio.sleep(delay)

    def _left(self, summary: ev.Summary) -> bool:
        """Returns whether the server ended a stream that still has audio to send."""
        buffer = self._state.buffer
        if summary.end_reason is not ev.EndReason.SERVER_DRAINING:
            return False
        # with checkpoints, the server that receives the end makes the last window
        return self._checkpoints or not (buffer.finished and not len(buffer))

    async def _connect(self, attempts: int) -> ev.Summary:
        """Runs one connection, from the configuration to the summary.

        Raises:
            DetectionError: if it ended without a summary, or with an error after it.
        """
        self._since = None
        call = self._stub.StreamingDetect(metadata=self._metadata)
        tasks: list[asyncio.Task[ev.Summary] | asyncio.Task[None]] = []
        try:
            await self._start(call, attempts)
            reader = asyncio.create_task(self._read(call))
            writer = asyncio.create_task(self._write(call))
            tasks = [reader, writer]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not reader.done():
                fault = writer.exception()
                if fault is not None and not isinstance(fault, CallEndedError):
                    raise fault
                if fault is None:
                    await self._wait_for_summary(reader)
                else:
                    await asyncio.wait([reader], timeout=_STATUS_SECONDS)
                if not reader.done():
                    raise _BROKEN
            return reader.result()
        except grpc.aio.AioRpcError as error:
            raise from_error(error) from None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            call.cancel()

    async def _wait_for_summary(self, reader: asyncio.Task[ev.Summary]) -> None:
        """Waits for the summary for as long as the server keeps sending.

        Raises:
            DetectionError: if it sends nothing for too long.
        """
        limit, loop = self._retry.summary_seconds, asyncio.get_running_loop()
        ended = loop.time()
        while not reader.done():
            # if the caller is behind with reading events, the delay is not the server's
            since = loop.time() if self._reading_since is None else self._reading_since
            left = max(since, ended) + limit - loop.time()
            if left <= 0.0:
                message = f"the server sent nothing for {limit:g} s after the last audio"
                raise DetectionError("UNAVAILABLE", "NO_SUMMARY", message)
            await asyncio.wait([reader], timeout=left)

    async def _start(self, call: StreamCall, attempts: int) -> None:
        resumption = self._resumption
        config = to_message(pb.StreamingDetectConfig, self._options, audio_format=self._format)
        config.checkpoints, config.resume_state = True, resumption.state
        try:
            async with asyncio.timeout(self._retry.answer_seconds):
                with contextlib.suppress(CallEndedError):
                    await write(call, pb.StreamingDetectRequest(config=config))
                answer = await call.read()
        except TimeoutError:
            message = f"the server did not answer within {self._retry.answer_seconds:g} s"
            raise DetectionError("UNAVAILABLE", "NO_ANSWER", message) from None
        if not isinstance(answer, pb.StreamingDetectResponse):
            raise await ended(call)
        started = wire.event(answer)
        if not isinstance(started, ev.Started):
            raise DetectionError(
                "INTERNAL", "BAD_ANSWER", "the server's first response was not `started`"
            )
        self._since = time.monotonic()
        state = self._state
        self._checkpoints = started.checkpoints
        if started.checkpoints:
            state.buffer.keep(_KEPT_WINDOWS * started.window_seconds)
        if started.resumed:
            state.buffer.skip_to(resumption.offset)
        whole = resumption.begin(started)
        if state.opened.done():
            lost = self._newly_dropped()
            where = self._format.seconds(state.buffer.start)
            await state.events.put(ev.Reconnected(where, lost, max(1, attempts), whole))
        await state.events.put(started)
        if not state.opened.done():
            state.opened.set_result(started)
        self._limits_bytes = started.limits.max_chunk_bytes or _DEFAULT_CHUNK_BYTES
        self._judged = dict.fromkeys(started.channels or range(self._format.channel_count), 0)

    def _newly_dropped(self) -> float:
        """Returns the seconds of audio dropped since the last call."""
        dropped = self._state.buffer.dropped
        lost, self._reported_dropped = dropped - self._reported_dropped, dropped
        return self._format.seconds(lost)

    async def _write(self, call: StreamCall) -> None:
        """Sends audio as it arrives, until the audio ends.

        Raises:
            DetectionError: if the server took nothing for too long.
        """
        state, expected = self._state, 0
        while True:
            piece = state.buffer.take(self._limits_bytes)
            if piece is None:
                if state.buffer.finished:
                    await half_close(call)
                    return
                state.changed.clear()
                # the caller's audio, which has no limit; a dead link is noticed by keep-alive
                await state.changed.wait()
                continue
            state.space.set()
            lost = self._newly_dropped()
            if lost:
                where = self._format.seconds(piece.start) - lost
                await state.events.put(ev.AudioLost(where, lost))
            audio = pb.AudioChunk(content=piece.content)
            if piece.start != expected:
                audio.sample_offset = piece.start
            expected = piece.end
            await self._send(call, pb.StreamingDetectRequest(audio=audio))

    async def _send(self, call: StreamCall, request: pb.StreamingDetectRequest) -> None:
        """Sends a message, for which the server may have to make room first.

        A live stream's audio cannot wait; any other waits for as long as the server says something.

        Raises:
            DetectionError: if it waited for too long.
        """
        limit, loop = self._stall_seconds, asyncio.get_running_loop()
        writing = asyncio.ensure_future(write(call, request))
        began = loop.time()
        try:
            while not writing.done():
                since = began if self._live else max(began, self._reading_since or loop.time())
                left = since + limit - loop.time()
                if left <= 0.0:
                    message = f"the server accepted no audio for {limit:g} s"
                    raise DetectionError("UNAVAILABLE", "STALLED", message)
                await asyncio.wait([writing], timeout=left)
            writing.result()
        finally:
            writing.cancel()

    async def _next(self, call: StreamCall) -> object:
        self._reading_since = asyncio.get_running_loop().time()
        answer = await call.read()
        self._reading_since = None
        return answer

    async def _read(self, call: StreamCall) -> ev.Summary:
        """Queues the server's events; returns the summary."""
        summary: ev.Summary | None = None
        try:
            while isinstance(answer := await self._next(call), pb.StreamingDetectResponse):
                event = wire.event(answer)
                checkpoint = answer.checkpoint if answer.HasField("checkpoint") else None
                if isinstance(event, ev.Summary):
                    summary = event
                    if self._left(event):
                        event = None
                elif isinstance(event, ev.WindowResult) and not self._checkpoints:
                    self._acknowledge(event)
                if event is not None and self._resumption.is_news(event):
                    await self._state.events.put(event)
                if checkpoint is not None:
                    self._resumption.take(checkpoint)
                    self._state.buffer.acknowledge(checkpoint.resume_offset)
            error = await ended(call) if summary is None else None
        except grpc.aio.AioRpcError as caught:
            error = from_error(caught)
        if summary is not None and (error is None or error.retryable):
            return summary
        assert error is not None
        raise error

    def _acknowledge(self, event: ev.WindowResult) -> None:
        """Releases audio that has been scored on every channel."""
        end = int(event.end_seconds * self._format.sample_rate_hz)
        self._judged[event.channel] = max(end, self._judged.get(event.channel, 0))
        self._state.buffer.acknowledge(min(self._judged.values()))
