"""What the one who runs a bridge may set."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dfd.clients.options import RetryPolicy, StreamOptions

# A call outlives any outage of the daemon: the client never gives up by itself.
LIVE_RETRY = RetryPolicy(connect_seconds=1e9, reconnect_seconds=1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeOptions:
    """Bounds and habits of one bridge.

    Attributes:
        max_calls: connections or RTP sources at once; more are turned away.
        max_bytes_per_second: of one call, over a burst of four seconds' worth.
        buffer_seconds: audio kept for a slow or lost daemon, and again as much of what was
            sent and not yet judged.
        chunk_seconds: audio gathered into one message to the daemon.
        drain_seconds: how long the results of a call that has ended are waited for.
        handshake_seconds: a connection that does not name its call by then is closed.
        idle_seconds: a call without audio for so long is over; RTP has no other end.
        hold_seconds: how long the jitter buffer waits for a packet.
        labels: labels of every call.
        stream: model, alert policy and the rest of every stream.
    """

    max_calls: int = 200
    max_bytes_per_second: int = 1 << 20
    buffer_seconds: float = 30.0
    chunk_seconds: float = 0.1
    drain_seconds: float = 30.0
    handshake_seconds: float = 5.0
    idle_seconds: float = 60.0
    hold_seconds: float = 0.2
    labels: Mapping[str, str] = field(default_factory=dict)
    stream: StreamOptions = field(default_factory=StreamOptions)
