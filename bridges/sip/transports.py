"""SIP on the wire: datagrams and streams, each message with the path back to its sender."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sipmessage import Request

from dfd.bridges.calls import ProtocolError
from dfd.bridges.sip.dialogs import Way
from dfd.bridges.sip.framing import Framer
from dfd.bridges.sip.messages import Message, parse, top_via

_MAX_UNREAD_BYTES = 1 << 20
_MAX_STREAMS = 1000
_DEFAULT_PORT = 5060


@dataclass(frozen=True, slots=True)
class Taken:
    """Handlers for what arrives.

    Attributes:
        permit: returns whether an address is permitted at all.
        receive: called with each message and its path.
        broken: called with what was rejected: source, word, reason.
    """

    permit: Callable[[str], bool]
    receive: Callable[[Message, Way], None]
    broken: Callable[[str, str, str], None]


@dataclass(slots=True)
class _DatagramWay:
    """The path back over UDP: to the source, at the port in the top Via (RFC 3261, 18.2.2)."""

    host: str
    port: int
    local: tuple[str, int]
    scope: tuple[Any, ...]
    socket: Any
    transport: str = "UDP"

    def send(self, data: bytes) -> None:
        """Sends a message."""
        if not self.socket.is_closing():
            self.socket.sendto(data, (self.host, self.port, *self.scope))


class Datagrams(asyncio.DatagramProtocol):
    """SIP over UDP."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._transport: Any = None
        self._local = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Notes the addresses."""
        self._transport = transport
        name = transport.get_extra_info("sockname")
        self._local = (str(name[0]), int(name[1]))

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Handles one message."""
        host, port = str(addr[0]), int(addr[1])
        if not data.strip(b"\r\n\0 "):  # a keep-alive
            return
        if not self._taken.permit(host):
            self._taken.broken(f"UDP {host}:{port}", "peer", "it is not among the peers in --allow")
            return
        try:
            message = parse(data)
        except ProtocolError as error:
            self._taken.broken(f"UDP {host}:{port}", "packet", str(error))
            return
        if isinstance(message, Request):
            port = _mark(message, host, port)
        local = (local_address(self._local[0], host), self._local[1])
        self._taken.receive(message, _DatagramWay(host, port, local, addr[2:], self._transport))


class Stream(asyncio.Protocol):
    """SIP over one TCP or TLS connection."""

    def __init__(self, taken: Taken, among: set[Stream]) -> None:
        self._taken = taken
        self._among = among
        self._framer = Framer()
        self._wire: asyncio.Transport | None = None
        self.host, self.port, self.local = "", 0, ("", 0)
        self.transport = "TCP"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Notes the addresses."""
        assert isinstance(transport, asyncio.Transport)
        self._wire = transport
        peer = transport.get_extra_info("peername") or ("somebody", 0)
        name = transport.get_extra_info("sockname")
        self.host, self.port = str(peer[0]), int(peer[1])
        self.local = (str(name[0]), int(name[1]))
        if transport.get_extra_info("ssl_object") is not None:
            self.transport = "TLS"
        if not self._taken.permit(self.host):
            self._refuse("peer", "it is not among the peers in --allow")
        elif len(self._among) >= _MAX_STREAMS:
            self._refuse("full", f"there are already {_MAX_STREAMS} connections")
        else:
            self._among.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Forgets the connection; its calls continue until they are ended."""
        self._among.discard(self)

    def data_received(self, data: bytes) -> None:
        """Handles bytes as they arrive."""
        if self._wire is None or self._wire.is_closing():
            return
        try:
            for one in self._framer.feed(data):
                message = parse(one)
                if isinstance(message, Request):
                    _mark(message, self.host, self.port)
                self._taken.receive(message, self)
        except ProtocolError as error:
            self._refuse("protocol", str(error))
            return
        if self._framer.pings:
            self._framer.pings = 0
            self.send(b"\r\n")

    def send(self, data: bytes) -> None:
        """Sends a message; a peer that does not read is disconnected."""
        wire = self._wire
        if wire is None or wire.is_closing():
            return
        if wire.get_write_buffer_size() > _MAX_UNREAD_BYTES:
            self._refuse("protocol", "it does not read its responses")
            return
        wire.write(data)

    def close(self) -> None:
        """Closes the connection."""
        if self._wire is not None:
            self._wire.close()

    def _refuse(self, word: str, reason: str) -> None:
        self._taken.broken(f"{self.transport} {self.host}:{self.port}", word, reason)
        if self._wire is not None:
            self._wire.abort()


def local_address(bound: str, peer: str) -> str:
    """Returns the address of this machine that a peer reaches, when listening on all addresses."""
    if bound not in ("0.0.0.0", "::"):
        return bound
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((peer, 9))  # sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            return bound


def _mark(request: Request, host: str, port: int) -> int:
    """Writes a request's source into its top Via (RFC 3581); returns the port to answer."""
    via = top_via(request)
    first, *others = request.headers.getlist("Via")
    top, comma, rest = first.partition(",")
    asked = via.rport == ""
    if asked:
        top = _with_rport(top, port)
    if via.host.strip("[]") != host or asked:
        top += f";received={host}"
    request.headers.setlist("Via", [top + comma + rest, *others])
    return port if asked else via.port or _DEFAULT_PORT


def _with_rport(top: str, port: int) -> str:
    parts = top.split(";")
    return ";".join(f"rport={port}" if one.strip().lower() == "rport" else one for one in parts)
