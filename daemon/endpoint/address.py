"""Addresses: how they are written, who reaches them, and whether a port can be had."""

import contextlib
import ipaddress
import socket
from collections.abc import Iterator

from dfd.errors import UserError


def address(host: str, port: int) -> str:
    """Host and port in one, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_of(peer: str) -> str:
    """The address in gRPC's name of a peer, such as ipv4:10.0.0.7:5060 or ipv6:%5B::1%5D:5060."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return "localhost" if kind == "unix" else peer
    return rest.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")


def probe(host: str, port: int) -> None:
    """Finds out why a port cannot be had, which gRPC would not say.

    Raises:
        UserError: if it cannot.
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
    """Holds a port that several processes are going to share, and gives its number.

    Args:
        host: where.
        port: 0 takes a free one.
        others: it may be shared already.

    Raises:
        UserError: if it is unavailable.
    """
    if not others:
        probe(host, port)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    with socket.socket(family, kind, protocol) as holder:
        # bound and never listened on: it keeps the number and gets no connection
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(where)
        yield holder.getsockname()[1]
