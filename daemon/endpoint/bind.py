"""The gRPC port: had before the model is loaded, with limits set above our own."""

import grpc
import grpc.aio

from dfd.daemon.endpoint.address import address, probe
from dfd.daemon.options import MIB, ServeOptions
from dfd.errors import UserError

# room for the rest of a message beside its audio
_OVERHEAD_BYTES = MIB
# calls of one connection that are no streams
_BESIDE_STREAMS = 64
# calls of all connections that are no streams: health, watchers, those that are refused
_RPCS_BESIDE_STREAMS = 1024


def channel_options(options: ServeOptions, *, shared: bool = False) -> list[tuple[str, int]]:
    """Limits and keep-alive of every connection; several processes may share the port."""
    largest = max(options.max_chunk_bytes, options.max_recording_bytes) + _OVERHEAD_BYTES
    return [
        ("grpc.max_receive_message_length", largest),
        ("grpc.max_send_message_length", -1),
        # one connection may have all the streams, and a little for what else is asked
        ("grpc.max_concurrent_streams", options.max_streams + _BESIDE_STREAMS),
        # those beyond are closed as soon as they are taken
        ("grpc.max_allowed_incoming_connections", options.connections_by_worker),
        ("grpc.so_reuseport", int(shared or options.handover)),
        # connections that never say anything, or have nothing to say
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.max_connection_idle_ms", 600_000),
        # a peer that vanished without a word is noticed within 40 s
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 10_000),  # what gRPC goes by in fact, a minute of its own
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ]


def most_rpcs(options: ServeOptions) -> int:
    """RPCs of all connections; gRPC refuses more before it is known what they ask for."""
    return options.max_streams + _RPCS_BESIDE_STREAMS


def bind(
    server: grpc.aio.Server,
    options: ServeOptions,
    credentials: grpc.ServerCredentials | None = None,
    *,
    shared: bool = False,
) -> int:
    """Takes the port, alone or beside other processes, and returns its number.

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
