"""A jitter buffer: takes packets in any order, returns them in order, and counts losses.

Nothing is played here, so a packet is held only while one before it is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dfd.bridges.rtp.packets import RtpPacket, forward

# RFC 3550, appendix A.1: a jump beyond these means that the sender restarted.
_MAX_DROPOUT = 3000
_MAX_MISORDER = 100


@dataclass(frozen=True, slots=True)
class Released:
    """A packet in its turn.

    Attributes:
        lost: number of packets missing just before it.
        restarted: whether the sender's numbers started again with this packet.
    """

    packet: RtpPacket
    arrival: float
    lost: int = 0
    restarted: bool = False


@dataclass(slots=True)
class JitterCounts:
    """Counts of packets by outcome."""

    received: int = 0
    reordered: int = 0
    duplicate: int = 0
    late: int = 0
    lost: int = 0
    restarts: int = 0


class JitterBuffer:
    """Orders the packets of one source; times are seconds on any monotonic clock.

    Args:
        hold_seconds: how long to wait for a missing packet, and how long to hold the first
            packets to find the earliest.
        max_packets: beyond this many held packets the missing one is given up at once.
    """

    def __init__(self, hold_seconds: float = 0.2, max_packets: int = 200) -> None:
        self._hold_seconds = hold_seconds
        self._max_packets = max_packets
        self._held: dict[int, Released] = {}  # by the number without wrap
        self._next: int | None = None
        self._highest = 0
        self._gone: set[int] = set()  # given up as lost, to tell late from duplicate
        self._stray: int | None = None
        self.counts = JitterCounts()

    def push(self, packet: RtpPacket, now: float) -> list[Released]:
        """Takes a packet and returns those whose turn it is."""
        self.counts.received += 1
        if self._next is None and not self._held:
            self._highest = packet.sequence
            self._held[packet.sequence] = Released(packet, now)
            return list(self._due(now))
        ahead = forward(packet.sequence, self._highest & 0xFFFF, 16)
        number = self._highest + ahead
        if ahead > _MAX_DROPOUT or ahead < -_MAX_MISORDER:
            return self._restart(packet, now)
        self._stray = None
        if ahead > 0:
            self._highest = number
        elif number in self._held:
            self.counts.duplicate += 1
            return list(self._due(now))
        elif self._next is not None and number < self._next:
            if number in self._gone:
                self.counts.late += 1
                self._gone.discard(number)
            else:
                self.counts.duplicate += 1
            return list(self._due(now))
        else:
            self.counts.reordered += 1
        self._held[number] = Released(packet, now)
        return list(self._due(now))

    def poll(self, now: float) -> list[Released]:
        """Gives up on packets that were waited for long enough."""
        return list(self._due(now))

    def flush(self) -> list[Released]:
        """Returns everything that is still held."""
        return list(self._due(float("inf")))

    @property
    def waiting(self) -> bool:
        """Whether packets are held, so that `poll` has something to do."""
        return bool(self._held)

    def _due(self, now: float) -> Iterator[Released]:
        held = self._held
        while held:
            if self._next is not None and (ready := held.pop(self._next, None)) is not None:
                self._next += 1
                yield ready
                continue
            first = min(held)
            oldest = min(one.arrival for one in held.values())
            if now - oldest < self._hold_seconds and len(held) <= self._max_packets:
                return
            lost = 0 if self._next is None else first - self._next
            if self._next is not None:
                self.counts.lost += lost
                self._gone.update(range(self._next, first))
                self._gone = {number for number in self._gone if number > first - _MAX_MISORDER}
            one = held.pop(first)
            self._next = first + 1
            yield Released(one.packet, one.arrival, lost, one.restarted)

    def _restart(self, packet: RtpPacket, now: float) -> list[Released]:
        """Accepts new sequence numbers once two consecutive packets have them."""
        expected, self._stray = self._stray, (packet.sequence + 1) & 0xFFFF
        if expected != packet.sequence:
            self.counts.late += 1
            return list(self._due(now))
        self.counts.restarts += 1
        released = self.flush()
        self._stray = None
        self._gone.clear()
        self._highest = packet.sequence
        self._next = packet.sequence + 1
        released.append(Released(packet, now, 0, restarted=True))
        return released
