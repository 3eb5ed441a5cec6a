"""One stream to the daemon for one call: collects audio, keeps its time line, emits events.

Whatever the daemon does, `push` returns at once: audio waits in the client's bounded buffer,
and what does not fit becomes a gap that is counted and reported.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from dfd.bridges.calls import CallStarted
from dfd.bridges.log import log
from dfd.bridges.metrics import Metrics
from dfd.bridges.options import BridgeOptions
from dfd.clients import events as ev
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError
from dfd.clients.stream import DetectionStream

# Errors for which another attempt would not help.
_HOPELESS = frozenset(
    {
        "INVALID_ARGUMENT",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "NOT_FOUND",
        "FAILED_PRECONDITION",
        "UNIMPLEMENTED",
    }
)
_FIRST_DELAY_SECONDS = 1.0
_MAX_DELAY_SECONDS = 10.0
_PATIENCE_SECONDS = 3.0
_QUIET_SECONDS = 10.0


class Leg:
    """A call's audio on its way to the daemon.

    Args:
        client: client of the daemon.
        started: the call's own data.
        stream_id: id of the stream, across reconnections.
        options: limits.
        metrics: counters.
        on_event: called with every event.
    """

    def __init__(
        self,
        client: AsyncDetectionClient,
        started: CallStarted,
        stream_id: str,
        options: BridgeOptions,
        metrics: Metrics,
        on_event: Callable[[ev.Event], None],
    ) -> None:
        self.call_id = started.call_id
        self.stream_id = stream_id
        self.audio_format = started.audio_format
        self.position = 0
        self.gap_frames = 0
        self.connected = False
        self.summary: ev.Summary | None = None
        self._client = client
        self._options = options
        self._metrics = metrics
        self._on_event = on_event
        labels = {**options.labels, **started.labels}
        self._stream_options = replace(options.stream, stream_id=stream_id, labels=labels)
        self._pending = bytearray()
        self._chunk_bytes = (
            max(1, started.audio_format.frames(options.chunk_seconds))
            * started.audio_format.bytes_per_frame
        )
        self._ended = False
        self._dead = False
        self._shifted = False  # the next chunk does not follow the last
        self._lost_seconds = 0.0
        self._quiet_until = 0.0
        self._timers: list[asyncio.TimerHandle] = []
        self._finishing: asyncio.Task[None] | None = None
        self._stream = self._new_stream()
        self._task = asyncio.create_task(self._run())

    def push(self, content: bytes, gap_frames: int = 0) -> None:
        """Takes whole frames and the number of frames lost just before them; never waits."""
        if self._ended:
            return
        if gap_frames:
            self._flush()
            self.position += gap_frames
            self.gap_frames += gap_frames
            self._shifted = True
            seconds = self.audio_format.seconds(gap_frames)
            self._metrics.add("gap_seconds", seconds, "network")
        self._pending += content
        if len(self._pending) >= self._chunk_bytes:
            self._flush()

    def end(self) -> None:
        """Ends the call; waits for the last results, for a limited time."""
        if self._ended:
            return
        self._flush()
        self._ended = True
        if not self._stream.over:
            self._finishing = asyncio.create_task(self._stream.finish())
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(self._options.drain_seconds, self._task.cancel))

    async def closed(self) -> None:
        """Waits until the stream is over."""
        await asyncio.gather(self._task, return_exceptions=True)

    def cancel(self) -> None:
        """Abandons the stream."""
        self._ended = True
        self._task.cancel()

    def _flush(self) -> None:
        if not self._pending:
            return
        content = bytes(self._pending)
        self._pending.clear()
        frames = len(content) // self.audio_format.bytes_per_frame
        seconds = self.audio_format.seconds(frames)
        self._metrics.add("audio_seconds", seconds)
        sent = self._stream.send_nowait(content, self.position if self._shifted else None)
        self.position += frames
        self._shifted = not sent
        if not sent:
            self._metrics.add("gap_seconds", seconds, "unjudged")

    async def _run(self) -> None:
        """Keeps a stream open until the call is over."""
        delay = _FIRST_DELAY_SECONDS
        try:
            while True:
                try:
                    await self._live(self._stream)
                    delay = _FIRST_DELAY_SECONDS
                except DetectionError as error:
                    self._fail(error)
                if self._done():
                    return
                await asyncio.sleep(delay)
                delay = min(2 * delay, _MAX_DELAY_SECONDS)
                if self._done():
                    return
                self._stream = self._new_stream()
                self._shifted = self.position > 0
        finally:
            for timer in self._timers:
                timer.cancel()
            self.connected = False
            if self.summary is None:
                self._metrics.add("unjudged_calls")
                self._log(logging.WARNING, "stream ended without a summary")

    def _done(self) -> bool:
        """Returns whether there is nothing left to judge, or nobody to judge it."""
        return self._ended or self._dead

    def _new_stream(self) -> DetectionStream:
        return self._client.stream(
            self.audio_format,
            options=self._stream_options,
            live=True,
            buffer_seconds=self._options.buffer_seconds,
        )

    async def _live(self, stream: DetectionStream) -> None:
        """Runs one stream.

        Raises:
            DetectionError: if the daemon ended it with an error that the client cannot recover
                from.
        """
        timer = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._still_waiting)
        self._timers.append(timer)
        try:
            async with stream:
                timer.cancel()
                self.connected = True
                if self._ended:
                    await stream.finish()
                async for event in stream:
                    self._notice(event)
        finally:
            timer.cancel()
            self._timers.remove(timer)
            self.connected = False

    def _still_waiting(self) -> None:
        self._log(
            logging.WARNING,
            "the daemon has not answered yet",
            seconds=_PATIENCE_SECONDS,
            kept_seconds=self._options.buffer_seconds,
        )

    def _fail(self, error: DetectionError) -> None:
        self._metrics.add("streams_failed", label=error.code)
        self._dead = error.code in _HOPELESS
        unjudged = "; the call continues unjudged" if self._dead and not self._ended else ""
        self._log(
            logging.ERROR,
            f"the daemon ended the stream{unjudged}",
            code=error.code,
            reason=error.reason or None,
            message=error.message,
        )

    def _log_loss(self, seconds: float) -> None:
        """Logs a line now, and then at most one every ten seconds."""
        self._lost_seconds += seconds
        now = asyncio.get_running_loop().time()
        if now < self._quiet_until:
            return
        self._log(
            logging.WARNING,
            "the daemon is too slow; audio was lost",
            lost_seconds=round(self._lost_seconds, 2),
        )
        self._lost_seconds, self._quiet_until = 0.0, now + _QUIET_SECONDS

    def _notice(self, event: ev.Event) -> None:
        """Counts and logs notable events, and passes the event on."""
        metrics = self._metrics
        match event:
            case ev.Summary():
                self.summary = event
                self._log_verdict(event)
            case ev.Alert():
                metrics.add("alerts", label="cleared" if event.cleared else "raised")
                self._log(
                    logging.WARNING,
                    "alert cleared" if event.cleared else "alert raised",
                    trigger=event.trigger.value,
                    channel=event.channel,
                    offset_seconds=event.offset_seconds,
                    spoof_probability=round(event.score.spoof_probability, 4),
                    threshold=event.threshold,
                )
            case ev.StreamWarning():
                metrics.add("warnings", label=event.reason)
            case ev.ConnectionLost() if self.connected:  # but not again for each attempt
                self.connected = False
                metrics.add("connections_lost", label=event.code)
                self._log(logging.WARNING, "daemon lost", code=event.code, message=event.message)
            case ev.Reconnected():
                self.connected = True
                metrics.add("reconnections")
                metrics.add("gap_seconds", event.lost_seconds, "daemon")
                self._log(
                    logging.WARNING,
                    "daemon reached again",
                    lost_seconds=round(event.lost_seconds, 2),
                    evidence_kept=event.resumed,
                )
            case ev.AudioLost():
                metrics.add("gap_seconds", event.lost_seconds, "daemon")
                self._log_loss(event.lost_seconds)
        self._on_event(event)

    def _log_verdict(self, summary: ev.Summary) -> None:
        for one in summary.channels:
            score = one.cumulative_score
            self._log(
                logging.INFO,
                "verdict",
                channel=one.channel,
                verdict=one.verdict.value,
                inconclusive=list(one.inconclusive_reasons) or None,
                spoof_probability=None if score is None else round(score.spoof_probability, 4),
                first_alert_seconds=one.first_alert_seconds,
                audio_seconds=round(one.audio_seconds, 3),
                speech_seconds=round(one.speech_seconds, 3),
                end_reason=summary.end_reason.value,
            )

    def _log(self, level: int, event: str, **fields: object) -> None:
        more = {} if self.stream_id == self.call_id else {"stream_id": self.stream_id}
        log(level, event, call_id=self.call_id, **more, **fields)
