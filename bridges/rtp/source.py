"""One call's RTP: turns packets into call events, however its sources and codecs change.

Without I/O: the server passes packets and the time, and calls `poll` now and then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dfd.bridges.calls import CallEnded, CallEvent, CallNote, CallStarted
from dfd.bridges.media.codecs import Codec
from dfd.bridges.rtp.jitter import JitterBuffer, JitterCounts, Released
from dfd.bridges.rtp.packets import RtpPacket
from dfd.bridges.rtp.timeline import Timeline, TimelineCounts


class RtpCall:
    """Follows one speaker.

    Args:
        call_id: id of the call.
        codecs: codecs of the payload types.
        labels: what is known about the call.
        hold_seconds: how long the jitter buffer waits for a packet.
    """

    def __init__(
        self,
        call_id: str,
        codecs: Mapping[int, Codec],
        labels: Mapping[str, str],
        hold_seconds: float = 0.2,
    ) -> None:
        self.call_id = call_id
        self.labels = dict(labels)
        self.ssrc: int | None = None
        self.unknown_payloads = 0
        self.foreign_sources = 0
        self.events = 0
        self._codecs = codecs
        self._hold_seconds = hold_seconds
        self._jitter = JitterBuffer(hold_seconds)
        self._timeline: Timeline | None = None
        self._candidate: tuple[int, int] | None = None
        self._last_event: int | None = None

    @property
    def jitter_counts(self) -> JitterCounts:
        """Counts of the present source's packets."""
        return self._jitter.counts

    @property
    def timeline_counts(self) -> TimelineCounts:
        """Counts of the time line."""
        return TimelineCounts() if self._timeline is None else self._timeline.counts

    @property
    def waiting(self) -> bool:
        """Whether `poll` has something to do."""
        return self._jitter.waiting

    def push(self, packet: RtpPacket, now: float) -> list[CallEvent]:
        """Handles a packet."""
        if packet.payload_type not in self._codecs:
            self.unknown_payloads += 1
            return []
        events: list[CallEvent] = []
        if self.ssrc is None:
            self.ssrc = packet.ssrc
        elif packet.ssrc == self.ssrc:
            self._candidate = None
        elif not self._adopt(packet, events):
            return events
        for released in self._jitter.push(packet, now):
            events += self._take(released)
        return events

    def poll(self, now: float) -> list[CallEvent]:
        """Gives up on packets that were waited for long enough."""
        return [event for released in self._jitter.poll(now) for event in self._take(released)]

    def end(self, reason: str) -> list[CallEvent]:
        """Returns what is held, and the end of the call."""
        events = [event for one in self._jitter.flush() for event in self._take(one)]
        return [*events, CallEnded(reason)]

    def _adopt(self, packet: RtpPacket, events: list[CallEvent]) -> bool:
        """Switches to another source once two of its packets arrived and none of the old one."""
        expected, self._candidate = (
            self._candidate,
            (packet.ssrc, (packet.sequence + 1) & 0xFFFF),
        )
        if expected != (packet.ssrc, packet.sequence):
            self.foreign_sources += 1
            return False
        for released in self._jitter.flush():
            events += self._take(released)
        events.append(CallNote("ssrc_change", f"{self.ssrc:08x} to {packet.ssrc:08x}"))
        self.ssrc = packet.ssrc
        self._candidate = None
        self._jitter = JitterBuffer(self._hold_seconds)
        if self._timeline is not None:
            self._timeline.restart()
        return True

    def _take(self, released: Released) -> Iterator[CallEvent]:
        packet = released.packet
        codec = self._codecs[packet.payload_type]
        if not codec.is_audio:
            if self._timeline is not None:
                self._timeline.skip(released)
            if codec.name == "TELEPHONE-EVENT" and packet.timestamp != self._last_event:
                self._last_event = packet.timestamp
                self.events += 1
                yield CallNote("dtmf")
            return
        if self._timeline is None or self._timeline.codec != codec:
            timeline = Timeline(codec)
            before = self._timeline
            self._timeline = timeline
            if before is None or before.audio_format != timeline.audio_format:
                labels = {**self.labels, "codec": codec.name, "ssrc": f"{packet.ssrc:08x}"}
                yield CallStarted(self.call_id, timeline.audio_format, labels)
            else:
                timeline.take_over(before)
        yield from self._timeline.push(released)
