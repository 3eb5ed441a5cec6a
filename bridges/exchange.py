"""All calls of one bridge: admission, where their audio goes, and their events."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterable

from dfd.bridges.calls import (
    CallAudio,
    CallEnded,
    CallEvent,
    CallNote,
    CallStarted,
    Reply,
)
from dfd.bridges.leg import Leg
from dfd.bridges.limits import RefusalLog
from dfd.bridges.log import log
from dfd.bridges.metrics import Metrics
from dfd.bridges.options import BridgeOptions
from dfd.clients import events as ev
from dfd.clients.alerts.context import LineContext
from dfd.clients.alerts.sinks import EventSink
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.transport.trouble import Trouble


class Exchange:
    """Holds the calls.

    Args:
        client: client of the daemon, created with `LIVE_RETRY`.
        options: limits.
        sink: receives every event of every call, with `call_id`, `protocol`, `labels` and
            `time`.
    """

    def __init__(
        self, client: AsyncDetectionClient, options: BridgeOptions, sink: EventSink
    ) -> None:
        self.options = options
        self.metrics = Metrics()
        self.trouble: Trouble | None = None  # why the daemon is judging nothing at present
        self._client = client
        self._sink = sink
        self._refusals = RefusalLog()
        self._calls: set[Call] = set()
        self._legs: set[Leg] = set()
        self._waits: set[asyncio.Task[None]] = set()
        self._names: dict[str, list[int]] = {}  # legs begun under a name, and those still open
        self.metrics.gauge("calls_active", "Current calls.", lambda: len(self._calls))
        self.metrics.gauge(
            "legs_waiting",
            "Legs whose stream currently has no connection to the daemon.",
            lambda: sum(not leg.connected for leg in tuple(self._legs)),
        )

        self.metrics.gauge(
            "calls_unjudged",
            "Calls whose audio no daemon is judging.",
            lambda: self.calls_unjudged,
        )
        self.metrics.gauge(
            "daemon_reached",
            "1 if the daemon answers.",
            lambda: float(self.trouble is None),
        )

    @property
    def calls_unjudged(self) -> int:
        """Number of calls with audio that no daemon is judging."""
        return sum(call.unjudged for call in tuple(self._calls))

    def daemon_changed(self, trouble: Trouble | None) -> None:
        """Notes whether the daemon can be reached."""
        self.trouble = trouble
        if trouble is not None:
            self.metrics.add("daemon_failures", label=trouble.reason)

    @property
    def calls_active(self) -> int:
        """Number of current calls and connections."""
        return len(self._calls)

    def enter(self, protocol: str, source: str) -> Call | None:
        """Admits a peer; returns None, with a log line, if the bridge is full."""
        if len(self._calls) >= self.options.max_calls:
            self.refuse(source, "full", f"the bridge already has {self.options.max_calls} calls")
            return None
        call = Call(self, protocol, source)
        self._calls.add(call)
        return call

    def refuse(self, source: str, word: str, reason: str) -> None:
        """Counts and logs a rejected peer."""
        self.metrics.add("refused", label=word)
        self._refusals.write(source, reason)

    def open_leg(self, call: Call, started: CallStarted) -> Leg:
        """Begins a stream to the daemon."""
        named = self._names.setdefault(started.call_id, [0, 0])
        named[0] += 1
        named[1] += 1
        stream_id = started.call_id if named[0] == 1 else f"{started.call_id}-{named[0]}"
        labels = {**self.options.labels, **started.labels}
        context = LineContext(started.call_id, call.protocol, labels)

        def on_event(event: ev.Event) -> None:
            try:
                self._sink.emit(stream_id, event, **context.beside(event))
            except Exception as error:
                self.metrics.add("sink_failures")
                log(
                    logging.ERROR,
                    "an event could not be written",
                    call_id=started.call_id,
                    stream_id=stream_id,
                    error=str(error),
                )

        leg = Leg(self._client, started, stream_id, self.options, self.metrics, on_event)
        self._legs.add(leg)
        task = asyncio.create_task(self._forget(leg, started.call_id))
        self._waits.add(task)
        task.add_done_callback(self._waits.discard)
        return leg

    def leave(self, call: Call) -> None:
        """Forgets a call that has ended."""
        self._calls.discard(call)

    async def aclose(self) -> None:
        """Ends every call and waits, for a bounded time, for their last results."""
        for call in tuple(self._calls):
            call.end("the bridge is closing")
        await asyncio.gather(*(leg.closed() for leg in tuple(self._legs)))
        await asyncio.gather(*self._waits)

    async def _forget(self, leg: Leg, name: str) -> None:
        await leg.closed()
        self._legs.discard(leg)
        self._names[name][1] -= 1
        if not self._names[name][1]:
            del self._names[name]


class Call:
    """One peer: a connection or an RTP source, and the leg it feeds.

    A change of audio format during the call begins another leg, whose stream has the same labels
    and a number appended to its id.
    """

    _numbers = itertools.count(1)

    def __init__(self, exchange: Exchange, protocol: str, source: str) -> None:
        self.protocol = protocol
        self.source = source
        self.number = next(Call._numbers)
        self.name = source
        self.ended: str | None = None
        self._exchange = exchange
        self._leg: Leg | None = None

    @property
    def unjudged(self) -> bool:
        """Whether it has audio that no daemon is judging."""
        return self._leg is not None and not self._leg.connected

    def handle(self, events: Iterable[CallEvent]) -> list[str | bytes]:
        """Handles a protocol's events; returns what to send to the peer."""
        replies: list[str | bytes] = []
        metrics = self._exchange.metrics
        for event in events:
            if isinstance(event, CallAudio):
                if self._leg is not None:
                    self._leg.push(event.content, event.gap_frames)
                    if event.filled_frames:
                        seconds = self._leg.audio_format.seconds(event.filled_frames)
                        metrics.add("filled_seconds", seconds)
            elif isinstance(event, Reply):
                replies.append(event.message)
            elif isinstance(event, CallStarted):
                self._start(event)
            elif isinstance(event, CallNote):
                metrics.add("notes", label=event.kind)
                if event.detail:
                    log(logging.INFO, event.kind, call_id=self.name, detail=event.detail)
            elif isinstance(event, CallEnded):
                self.ended = event.reason
        return replies

    def warn(self, reason: str, message: str) -> None:
        """Warns about something that the operator should fix."""
        self._exchange.metrics.add("warnings", label=reason)
        log(logging.WARNING, message, call_id=self.name, reason=reason)

    def refuse(self, word: str, reason: str) -> None:
        """Ends the call because its peer broke a rule; reports it once."""
        self._exchange.refuse(f"{self.protocol} {self.name}", word, reason)
        self.end(word)

    def end(self, reason: str) -> None:
        """Ends the call, because its peer has left."""
        if self not in self._exchange._calls:
            return
        self._exchange.leave(self)
        if self._leg is None:
            return
        leg = self._leg
        leg.end()
        self._exchange.metrics.add("calls_ended", label=reason.partition(":")[0][:40])
        log(
            logging.INFO,
            "call ended",
            call_id=self.name,
            reason=reason,
            seconds=round(leg.audio_format.seconds(leg.position), 3),
            missing_seconds=round(leg.audio_format.seconds(leg.gap_frames), 3),
        )

    def _start(self, started: CallStarted) -> None:
        self.name = started.call_id
        if self._leg is not None:
            log(logging.INFO, "call continues in another format", call_id=self.name)
            self._leg.end()
        else:
            self._exchange.metrics.add("calls", label=self.protocol)
            audio = started.audio_format
            log(
                logging.INFO,
                "call began",
                call_id=self.name,
                protocol=self.protocol,
                source=self.source,
                encoding=audio.encoding.value,
                sample_rate_hz=audio.sample_rate_hz,
                channels=audio.channel_count,
                labels=dict(started.labels),
            )
        self._leg = self._exchange.open_leg(self, started)
