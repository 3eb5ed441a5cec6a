"""The media of one call: its ports, who may send to them, and the link to the exchange."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dfd.bridges.calls import ProtocolError
from dfd.bridges.exchange import Call, Exchange
from dfd.bridges.limits import ByteBudget
from dfd.bridges.log import log
from dfd.bridges.media.codecs import Codec
from dfd.bridges.rtp import rtcp
from dfd.bridges.rtp.packets import is_rtcp, parse
from dfd.bridges.rtp.tally import Tally
from dfd.bridges.sip import answers
from dfd.bridges.sip.answers import AcceptedLine, audio_rate
from dfd.bridges.sip.dialogs import Incoming, RefusedError
from dfd.bridges.sip.offers import Line
from dfd.bridges.sip.peers import Network, within
from dfd.bridges.sip.ports import PortPair, PortRange
from dfd.bridges.sip.srtp import Unprotector
from dfd.bridges.sip.watched import WatchedCall

# A sender that was silent for this long may be replaced by another one from the same host.
_RELOCK_SECONDS = 2.0
# Idle limit of a call on hold, during which nobody speaks.
_HELD_SECONDS = 3600.0
_COUNT_SECONDS = 1.0


@dataclass(eq=False, slots=True)
class _Line:
    """A line that is received."""

    index: int
    codecs: dict[int, Codec]
    channel: int = 0
    port: PortPair | None = None
    accepted: AcceptedLine | None = None
    unprotector: Unprotector | None = None
    source: tuple[str, int] | None = None
    when: float = 0.0
    held: bool = False
    tally: Tally | None = None


@dataclass(frozen=True, slots=True)
class MediaPlace:
    """Where to receive media.

    Attributes:
        ports: the port range.
        address: the address announced to peers.
        allowed: networks that may send media, besides the peer and the address in its offer.
    """

    ports: PortRange
    address: str
    allowed: tuple[Network, ...] = ()


class CallMedia:
    """One call.

    Args:
        exchange: has the limits and the metrics.
        call: its call in the exchange.
        incoming: data from its signalling.
        place: where to receive media.
        clock: a monotonic clock, in seconds.
        on_end: called when the call is over.
    """

    def __init__(
        self,
        exchange: Exchange,
        call: Call,
        incoming: Incoming,
        place: MediaPlace,
        clock: Callable[[], float],
        on_end: Callable[[CallMedia], None],
    ) -> None:
        self.exchange = exchange
        self.call = call
        self.incoming = incoming
        self.place = place
        self.clock = clock
        self.on_end = on_end
        self.rate_hz: int | None = None
        self.labels = {**incoming.labels, "source": call.source}
        self._sources = {incoming.way.host}
        self.ended = False
        self.last = self.clock()
        self._count_due = self.last + _COUNT_SECONDS
        self._lines: dict[int, _Line] = {}
        self._watched: WatchedCall | None = None
        self._session = secrets.randbits(31)
        self._version = 0
        self._said = b""
        self._budget = ByteBudget(self.exchange.options.max_bytes_per_second)

    @property
    def held(self) -> bool:
        """Whether the peer has put the call on hold."""
        return bool(self._lines) and all(line.held for line in self._lines.values())

    def change(self, lines: Sequence[Line], accepted: Sequence[AcceptedLine]) -> bytes:
        """Handles an offer; returns the answer."""
        taken = {one.index: self._take(one) for one in accepted}
        for index, line in self._lines.items():
            line.held = index not in taken or not lines[index].sends
        watched = self._watched
        if watched is None or any(line.channel < 0 for line in taken.values()):
            self._watch(accepted)
        self._version += 1
        self._said = answers.write(
            lines,
            {
                one.index: (one, line.port.number)
                for one in accepted
                if (line := taken[one.index]).port is not None
            },
            self.place.address,
            (self._session, self._version),
        )
        self.last = self.clock()
        return self._said

    def describe(self) -> bytes:
        """Returns the present description, or our offer if the peer made none."""
        if not self._said:
            line = _Line(0, dict(answers.OFFERED), port=self._port(0))
            self._lines[0] = line
            self.rate_hz = 8000
            self._start([line])
            assert line.port is not None
            session = (self._session, self._version)
            self._said = answers.offer(line.port.number, self.place.address, session)
        return self._said

    def answered(self, lines: Sequence[Line]) -> None:
        """Handles the answer to our offer."""
        for line in self._lines.values():
            if line.index < len(lines):
                line.held = not lines[line.index].sends
                self._sources.add(lines[line.index].host or "")

    def name(self, labels: Mapping[str, str]) -> None:
        """Adds labels that the peer sends later; the call's next stream has them too."""
        news = {key: value for key, value in labels.items() if self.labels.get(key) != value}
        if news:
            self.labels.update(news)
            if self._watched is not None:
                self._watched.labels.update(news)
            log(logging.INFO, "call has new labels", call_id=self.incoming.call_id, labels=news)

    def end(self, reason: str) -> None:
        """Ends the call."""
        if self.ended:
            return
        self.ended = True
        for line in self._lines.values():
            if line.port is not None:
                line.port.close()
        if self._watched is not None:
            self.call.handle(self._watched.end(reason))
            self._count()
        if not self._began:
            call_id = self.incoming.call_id
            log(logging.WARNING, "call ended without any media", call_id=call_id, reason=reason)
            self.exchange.metrics.add("refused", label="no_media")
        self.call.end(reason)
        self.on_end(self)

    def poll(self, now: float) -> str:
        """Gives up on lost packets; returns the reason if the call is to be ended."""
        if self._watched is not None:
            self.call.handle(self._watched.poll(now))
            if now >= self._count_due:
                self._count_due = now + _COUNT_SECONDS
                self._count()
        idle = self.exchange.options.idle_seconds
        patience = max(idle, _HELD_SECONDS) if self.held else idle
        return f"idle: no media for {patience:g} s" if now - self.last > patience else ""

    @property
    def _began(self) -> bool:
        return self._watched is not None and self._watched.began

    def _take(self, accepted: AcceptedLine) -> _Line:
        """Makes the line for an accepted one, with its port."""
        rate = audio_rate(accepted.codec)
        line = self._lines.get(accepted.index)
        if line is None:
            line = _Line(accepted.index, {}, channel=-1, port=self._port(accepted.index))
            self._lines[accepted.index] = line
        self.rate_hz = rate
        line.codecs.clear()
        line.codecs.update(accepted.codecs)
        old, line.accepted = line.accepted, accepted
        if accepted.keys is None:
            line.unprotector = None
        elif line.unprotector is None or line.unprotector.keys.key != accepted.keys.key:
            line.unprotector = Unprotector(accepted.keys)
        if old is None or (old.line.host, old.line.port) != (
            accepted.line.host,
            accepted.line.port,
        ):
            line.source = None
        self._sources.add(accepted.line.host or "")
        return line

    def _port(self, index: int) -> PortPair:
        def got(data: bytes, host: str, port: int, control: bool) -> None:
            self._receive(self._lines[index], data, (host, port), control)

        pair = self.place.ports.take(got)
        if pair is None:
            raise RefusedError(
                503, "no media port is free: widen --media-ports", "ports", [("Retry-After", "10")]
            )
        return pair

    def _watch(self, accepted: Sequence[AcceptedLine]) -> None:
        """Begins a stream, or another one if lines were added to a call."""
        if self._watched is not None:
            self.call.handle(self._watched.end("another line"))
        self._start([self._lines[one.index] for one in accepted])

    def _start(self, lines: Sequence[_Line]) -> None:
        assert self.rate_hz is not None
        for channel, line in enumerate(lines):
            line.channel = channel
            line.tally = Tally(self.exchange.metrics)
        self._watched = WatchedCall(
            self.incoming.call_id,
            self.rate_hz,
            [line.codecs for line in lines],
            self.labels,
            self.exchange.options.hold_seconds,
        )

    def _receive(self, line: _Line, data: bytes, source: tuple[str, int], control: bool) -> None:
        metrics = self.exchange.metrics
        watched = self._watched
        if watched is None or self.ended:
            return
        if source[0] not in self._sources and not within(source[0], self.place.allowed):
            metrics.add("packets", label="foreign")
            return
        if not self._budget.take(len(data)):
            metrics.add("packets", label="over_rate")
            return
        now = self.clock()
        if control or is_rtcp(data):
            self._control(line, data)
            return
        try:
            if line.unprotector is not None:
                data = line.unprotector.rtp(data)
            packet = parse(data)
        except ProtocolError as error:
            metrics.add("packets", label="invalid")
            self.exchange.refuse(f"{source[0]}:{source[1]}", "packet", str(error))
            return
        if line.source != source:
            if line.source is not None and now - line.when < _RELOCK_SECONDS:
                metrics.add("packets", label="foreign")
                return
            line.source = source
        line.when = self.last = now
        self.call.handle(watched.push(line.channel, packet, now))

    def _control(self, line: _Line, data: bytes) -> None:
        """Handles RTCP sender reports; the end of the call is up to the signalling."""
        try:
            if line.unprotector is not None:
                data = line.unprotector.rtcp(data)
            news = rtcp.parse(data)
        except ProtocolError:
            self.exchange.metrics.add("packets", label="invalid_rtcp")
            return
        self.exchange.metrics.add("packets", label="rtcp")
        if line.tally is not None and self._watched is not None:
            sent = news.senders.get(self._watched.lines[line.channel].ssrc or -1)
            if sent is not None:
                line.tally.reached("reported_sent", sent)

    def _count(self) -> None:
        for line in self._lines.values():
            if line.tally is not None and self._watched is not None and line.channel >= 0:
                line.tally.update(self._watched.lines[line.channel])
