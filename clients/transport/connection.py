"""The channel to a server: address, TLS and credentials."""

from pathlib import Path

import grpc
import grpc.aio

from dfd.clients.options import Connection
from dfd.clients.transport.route import is_loopback, stays_here
from dfd.errors import UserError

# Retries follow the client's own policy, not the channel's.
_CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", -1),
    ("grpc.primary_user_agent", "dfd-client"),
    # a connection that is lost silently is noticed within 30 s, whichever side is waiting
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    (
        "grpc.http2.ping_timeout_ms",
        10_000,
    ),  # the setting that gRPC in fact uses; its default is a minute
    ("grpc.http2.max_pings_without_data", 0),
)


def open_channel(connection: Connection) -> grpc.aio.Channel:
    """Creates the channel; nothing is sent yet.

    Raises:
        UserError: if the address makes no sense, a PEM file cannot be read, or a token would
            cross a network in the clear.
    """
    check_address(connection.server)
    options = (
        *_CHANNEL_OPTIONS,
        ("grpc.enable_http_proxy", int(not stays_here(connection.server))),
    )
    if not uses_tls(connection):
        return grpc.aio.insecure_channel(connection.server, options=options)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_read(connection.tls_ca),
        private_key=_read(connection.tls_key),
        certificate_chain=_read(connection.tls_cert),
    )
    return grpc.aio.secure_channel(connection.server, credentials, options=options)


def metadata(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Returns the metadata of every call.

    Raises:
        UserError: if the token holds something that metadata cannot carry.
    """
    token = connection.token
    if not token:
        return ()
    if not token.isascii() or not token.isprintable():
        raise UserError(
            "the token contains characters that are not printable ASCII: check its file"
        )
    return (("authorization", f"Bearer {token}"),)


def uses_tls(connection: Connection) -> bool:
    """Returns whether the connection is encrypted."""
    if connection.insecure:
        return False
    asked = connection.tls_ca or connection.tls_cert or connection.tls_key
    return asked is not None or not is_loopback(connection.server)


def check_address(server: str) -> None:
    """Requires HOST:PORT, [IPV6]:PORT or unix:PATH.

    Raises:
        UserError: if it is anything else.
    """
    if server.startswith("unix:"):
        return
    host, colon, port = server.rpartition(":")
    valid_host = bool(host) and "/" not in host and (":" not in host or host.startswith("["))
    if not colon or not valid_host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UserError(f"{server!r} is not an address: write HOST:PORT, such as localhost:50051")


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if b"-----BEGIN " not in content:
        raise UserError(f"{path} is not a PEM file: it must begin with -----BEGIN")
    return content
