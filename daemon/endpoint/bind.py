"""The gRPC port: bound before the model is loaded, with limits above the daemon's own."""

import grpc
import grpc.aio

from dfd.daemon.endpoint.address import address, probe
from dfd.daemon.options import MIB, ServeOptions
from dfd.errors import UserError

# room for the rest of a message besides its audio
_OVERHEAD_BYTES = MIB
# calls on one connection that are not streams
_BESIDE_STREAMS = 64
# calls on all connections that are not streams: health, watchers, refused calls
_RPCS_BESIDE_STREAMS = 1024
# What a client may send on a call that the daemon does not read: enough for one connection to
# carry 100 live streams of 16 kHz at a round trip of 80 ms. By itself gRPC starts with 4 MiB and
# follows its estimate of the link, beyond 32 MiB on a fast one.
UNREAD_BYTES = MIB // 2


def channel_options(options: ServeOptions, *, shared: bool = False) -> list[tuple[str, int]]:
    """Returns limits and keep-alive settings of connections; processes may share the port."""
    largest = max(options.max_chunk_bytes, options.max_recording_bytes) + _OVERHEAD_BYTES
    return [
        ("grpc.max_receive_message_length", largest),
        ("grpc.max_send_message_length", -1),
        # one connection may carry all streams, and a few other calls
        ("grpc.max_concurrent_streams", options.max_streams + _BESIDE_STREAMS),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", UNREAD_BYTES),
        # connections beyond the limit are closed as soon as they are accepted
        ("grpc.max_allowed_incoming_connections", options.connections_by_worker),
        ("grpc.so_reuseport", int(shared or options.handover)),
        # connections that never send anything, or have nothing to send
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.max_connection_idle_ms", 600_000),
        # a peer that vanished silently is noticed within 40 s
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        (
            "grpc.http2.ping_timeout_ms",
            10_000,
        ),  # the setting that gRPC in fact uses; its default is a minute
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ]


def most_rpcs(options: ServeOptions) -> int:
    """Returns the most RPCs on all connections; gRPC refuses more before reading them."""
    return options.max_streams + _RPCS_BESIDE_STREAMS


def bind(
    server: grpc.aio.Server,
    options: ServeOptions,
    credentials: grpc.ServerCredentials | None = None,
    *,
    shared: bool = False,
) -> int:
    """Binds the port, alone or shared with other processes, and returns its number.

    Raises:
        UserError: if it is unavailable.
    """
    if not shared and not options.handover:
        probe(options.host, options.port)
    target = address(options.host, options.port)
    try:
        if credentials is None:
            port = server.add_insecure_port(target)
        else:
            port = server.add_secure_port(target, credentials)
    except RuntimeError:
        port = 0
    if not port:
        raise UserError(f"cannot listen on {target}; choose another --host or --port")
    return port
