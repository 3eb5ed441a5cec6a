"""Addresses: how they are written, who can reach them, and whether a port is free."""

import contextlib
import ipaddress
import socket
from collections.abc import Iterator

from dfd.errors import UserError


def address(host: str, port: int) -> str:
    """Joins host and port, with IPv6 addresses in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_of(peer: str) -> str:
    """Extracts the address from a gRPC peer name such as ipv4:10.0.0.7:50 or ipv6:%5B::1%5D:50."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return "localhost" if kind == "unix" else peer
    return rest.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")


def probe(host: str, port: int) -> None:
    """Finds out why a port cannot be bound, which gRPC does not say.

    Raises:
        UserError: if it cannot be bound.
    """
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


@contextlib.contextmanager
def reserved(host: str, port: int, others: bool = False) -> Iterator[int]:
    """Reserves a port that several processes are going to share, and yields its number.

    Args:
        host: address to bind.
        port: port number; 0 picks a free one.
        others: whether the port may already be shared.

    Raises:
        UserError: if it is unavailable.
    """
    if not others:
        probe(host, port)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    with socket.socket(family, kind, protocol) as holder:
        # bound but never listened on: it reserves the number and gets no connections
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(where)
        yield holder.getsockname()[1]
