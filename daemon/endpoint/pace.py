"""How fast audio is taken: of one stream, and of one address.

Who sends more is not refused, only read more slowly; gRPC's flow control tells the sender.
"""

import time
from collections.abc import Callable

from dfd.daemon.endpoint.address import host_of, is_loopback
from dfd.daemon.options import ServeOptions

# this much may come at once after a while of quiet, in seconds of the rate
_BURST_SECONDS = 1.0
# what a message costs beside its audio: a flood of empty ones is slowed, too
_MESSAGE_BYTES = 64
# in parts of real time: no declared format is ever held up by the limit of a stream
_LIVE = 2.0
# addresses that are remembered before those that are quiet are forgotten
_PEERS = 1024

Take = Callable[[int], float]


class Pace:
    """Bytes at a rate."""

    def __init__(self, bytes_per_second: float, clock: Callable[[], float]) -> None:
        self._rate = bytes_per_second
        self._clock = clock
        self._paid_until = clock()

    @property
    def quiet(self) -> bool:
        """Whether nothing is left of what was taken."""
        return self._paid_until <= self._clock()

    def take(self, size_bytes: int) -> float:
        """Counts a message, and gives the seconds before another may be read."""
        now = self._clock()
        self._paid_until = max(self._paid_until, now) + (size_bytes + _MESSAGE_BYTES) / self._rate
        return max(0.0, self._paid_until - now - _BURST_SECONDS)


class Paces:
    """Those of one process; belongs to one event loop."""

    def __init__(self, options: ServeOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._by_stream = options.max_stream_bytes_per_second
        self._by_peer = options.max_peer_bytes_per_second
        self._clock = clock
        self._peers: dict[str, Pace] = {}

    def of_peer(self, peer: str) -> Take:
        """What counts the messages of a peer, as gRPC names it; this machine's are not counted."""
        host = host_of(peer)
        if is_loopback(host):
            return lambda _: 0.0
        if len(self._peers) >= _PEERS:
            self._peers = {host: pace for host, pace in self._peers.items() if not pace.quiet}
        return self._peers.setdefault(host, Pace(self._by_peer, self._clock)).take

    def of_stream(self, peer: str, live_bytes_per_second: float) -> Take:
        """What counts the messages of a stream, for the stream and its peer.

        Args:
            peer: as gRPC names it.
            live_bytes_per_second: of the declared format.
        """
        own = Pace(max(self._by_stream, _LIVE * live_bytes_per_second), self._clock).take
        shared = self.of_peer(peer)
        return lambda size_bytes: max(own(size_bytes), shared(size_bytes))
