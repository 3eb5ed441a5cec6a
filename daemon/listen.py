"""The gRPC port: had before the model is loaded, with limits set above our own."""

import ipaddress
import socket

import grpc
import grpc.aio

from dfd.daemon.options import MIB, ServeOptions, UserError
from dfd.daemon.tls import server_credentials

# room for the rest of a message beside its audio
_OVERHEAD_BYTES = MIB


def channel_options(options: ServeOptions) -> list[tuple[str, int]]:
    """Limits and keep-alive of every connection."""
    largest = max(options.max_chunk_bytes, options.max_recording_bytes) + _OVERHEAD_BYTES
    return [
        ("grpc.max_receive_message_length", largest),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
        # a peer that vanished without a word is noticed within 40 s
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ]


def bind(server: grpc.aio.Server, options: ServeOptions) -> int:
    """Takes the port and returns its number.

    Raises:
        UserError: it cannot be had, or TLS is set up wrongly.
    """
    credentials = None
    if options.tls_cert is not None and options.tls_key is not None:
        credentials = server_credentials(options.tls_cert, options.tls_key, options.tls_client_ca)
    _probe(options.host, options.port)
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


def address(host: str, port: int) -> str:
    """Host and port in one, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _probe(host: str, port: int) -> None:
    """Finds out why a port cannot be had, which gRPC would not say."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, where in found:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(where)
                probe.listen(1)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such host"
        raise UserError(
            f"cannot listen on {address(host, port)}: {why}; choose another --host or --port"
        ) from None
