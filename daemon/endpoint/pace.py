"""How fast audio is read, per stream and per address.

A client that sends more is not refused but read more slowly; gRPC's flow control holds it back.
"""

import time
from collections.abc import Callable

from dfd.daemon.endpoint.address import host_of, is_loopback
from dfd.daemon.endpoint.ledger import Ledger, OwnLedger
from dfd.daemon.options import ServeOptions

# this much may arrive at once after a pause, in seconds at the limit
_BURST_SECONDS = 1.0
# what a message costs besides its audio, so that a flood of empty ones is slowed too
_MESSAGE_BYTES = 64
# in multiples of real time: the limit per stream never holds up a declared format
_LIVE = 2.0

Take = Callable[[int], float]


class Pace:
    """A budget of bytes per second, with bursts."""

    def __init__(self, bytes_per_second: float, clock: Callable[[], float]) -> None:
        self._rate = bytes_per_second
        self._clock = clock
        self._paid_until = clock()

    def take(self, size_bytes: int) -> float:
        """Counts a message; returns the seconds to wait before reading another."""
        now = self._clock()
        self._paid_until = max(self._paid_until, now) + (size_bytes + _MESSAGE_BYTES) / self._rate
        return max(0.0, self._paid_until - now - _BURST_SECONDS)


class Paces:
    """The budgets of streams and addresses; belongs to one event loop.

    Args:
        options: the limits.
        ledger: where addresses are counted; None means in this process alone.
        clock: monotonic, the same for every process on this machine.
    """

    def __init__(
        self,
        options: ServeOptions,
        ledger: Ledger | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._by_stream = options.max_stream_bytes_per_second
        self._by_peer = options.max_peer_bytes_per_second
        self._clock = clock
        self._ledger = OwnLedger() if ledger is None else ledger

    def of_peer(self, peer: str) -> Take:
        """Returns the counter for a peer's messages; those from this machine are not counted."""
        host = host_of(peer)
        if is_loopback(host):
            return lambda _: 0.0

        def take(size_bytes: int) -> float:
            now = self._clock()
            seconds = (size_bytes + _MESSAGE_BYTES) / self._by_peer
            until = self._ledger.pay(f"peer {host}", seconds, now)
            return max(0.0, until - now - _BURST_SECONDS)

        return take

    def of_stream(self, peer: str, live_bytes_per_second: float) -> Take:
        """Returns the counter for a stream's messages, for the stream itself and its peer.

        Args:
            peer: the peer as gRPC names it.
            live_bytes_per_second: rate of the declared format in real time.
        """
        own = Pace(max(self._by_stream, _LIVE * live_bytes_per_second), self._clock).take
        shared = self.of_peer(peer)
        return lambda size_bytes: max(own(size_bytes), shared(size_bytes))
