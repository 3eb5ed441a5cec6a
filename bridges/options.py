"""Options for the operator of a bridge."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dfd.clients.options import RetryPolicy, StreamOptions

# A call survives any outage of the daemon: the client never gives up by itself.
LIVE_RETRY = RetryPolicy(connect_seconds=1e9, reconnect_seconds=1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeOptions:
    """Limits and behaviour of one bridge.

    Attributes:
        max_calls: most connections or RTP sources at once; further ones are rejected.
        max_bytes_per_second: limit of one call, beyond a burst of four seconds' worth.
        buffer_seconds: audio to keep while the daemon is slow or lost, and the same amount again
            of audio that was sent but not yet scored.
        chunk_seconds: audio collected into one message to the daemon.
        drain_seconds: how long to wait for the results of a call that has ended.
        handshake_seconds: a connection that does not name its call within this is closed.
        idle_seconds: a call without audio for this long is over; RTP has no other end.
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
