"""What `dfd bridge` listens for: one plan for each protocol, made from its options."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dfd.bridges.exchange import Exchange
from dfd.bridges.media.codecs import STATIC_CODECS
from dfd.bridges.rtp import sdp
from dfd.bridges.rtp.server import RtpOptions
from dfd.errors import UserError

if TYPE_CHECKING:
    from dfd.bridges.websocket.server import WebsocketOptions


class Plan(Protocol):
    """A server to start: one of the protocols with its options."""

    @property
    def name(self) -> str:
        """Name of the protocol."""

    async def start(self, exchange: Exchange) -> tuple[str, Callable[[], Awaitable[None]]]:
        """Listens; returns the address in words, and a function that stops it."""


@dataclass(frozen=True, slots=True)
class AudioSocketPlan:
    """AudioSocket on an address."""

    host: str
    port: int
    name: str = "audiosocket"

    async def start(self, exchange: Exchange) -> tuple[str, Callable[[], Awaitable[None]]]:
        """Listens."""
        from dfd.bridges.audiosocket.server import AudioSocketServer

        server = AudioSocketServer(exchange)
        return written(*await server.start(self.host, self.port)), server.stop


@dataclass(frozen=True, slots=True)
class RtpPlan:
    """RTP on one or several ports."""

    options: RtpOptions
    name: str = "rtp"

    async def start(self, exchange: Exchange) -> tuple[str, Callable[[], Awaitable[None]]]:
        """Listens."""
        from dfd.bridges.rtp.server import RtpServer

        server = RtpServer(exchange, self.options)
        bound = await server.start()
        text = written(*bound[0])
        if len(bound) > 1:
            text = f"{text} to {bound[-1][1]}, {len(bound)} ports"
        return text, server.stop


@dataclass(frozen=True, slots=True)
class WebsocketPlan:
    """WebSocket media in a dialect."""

    options: WebsocketOptions
    name: str = "websocket"

    async def start(self, exchange: Exchange) -> tuple[str, Callable[[], Awaitable[None]]]:
        """Listens."""
        from dfd.bridges.websocket.server import WebsocketServer

        server = WebsocketServer(exchange, self.options)
        return written(*await server.start()), server.stop


def plan_rtp(
    *, listen: str | None, ports: str | None, sdp_path: Path | None, payloads: Iterable[str]
) -> RtpPlan:
    """Makes the plan of `dfd bridge rtp`.

    Raises:
        UserError: if part of it makes no sense.
    """
    codecs = dict(STATIC_CODECS)
    host, port, rtcp_port = "127.0.0.1", 5004, None
    labels: dict[str, str] = {}
    if sdp_path is not None:
        media = sdp.read(sdp_path)
        codecs |= media.codecs
        port, rtcp_port = media.port, media.rtcp_port
        if media.host is not None and is_mine(media.host):
            host = media.host
        if media.session:
            labels["session"] = media.session
    codecs |= dict(sdp.payload(text) for text in payloads)
    numbers: tuple[int, ...] = ()
    if ports is not None:
        first, dash, last = ports.partition("-")
        if not (dash and first.isdecimal() and last.isdecimal()):
            raise UserError(f"{ports!r} is not a range of ports: write one such as 20000-20198")
        if not 0 < int(first) <= int(last) < 65536:
            raise UserError(f"{ports!r} is not a range of ports between 1 and 65535")
        numbers = tuple(range(int(first), int(last) + 1, 2))
    if listen is not None:
        named = listen if ":" in listen.rpartition("]")[2] else f"{listen}:{port}"
        host, port = address(named)
    options = RtpOptions(
        host=host,
        port=port,
        ports=numbers,
        rtcp_port=None if numbers or listen is not None else rtcp_port,
        codecs=codecs,
        labels=labels,
    )
    return RtpPlan(options)


def plan_websocket(
    *,
    dialect: str,
    host: str,
    port: int,
    rate_hz: int,
    channel_count: int,
    twilio_token_file: Path | None,
    public_urls: tuple[str, ...],
    basic_auth_file: Path | None,
    api_key_file: Path | None,
    certificate: Path | None,
    key: Path | None,
) -> WebsocketPlan:
    """Makes the plan of `dfd bridge websocket`.

    Raises:
        UserError: if a file cannot be read.
    """
    from dfd.bridges.websocket.server import WebsocketOptions

    token = secret_of(twilio_token_file)
    if dialect == "twilio" and token is None:
        token = os.environ.get("TWILIO_AUTH_TOKEN", "").strip() or None
    options = WebsocketOptions(
        dialect=dialect,
        host=host,
        port=port,
        rate_hz=rate_hz,
        channel_count=channel_count,
        twilio_token=token,
        public_urls=public_urls,
        basic_auth=secret_of(basic_auth_file),
        api_key=secret_of(api_key_file),
        tls=tls_of(certificate, key),
    )
    return WebsocketPlan(options)


def address(text: str) -> tuple[str, int]:
    """Reads HOST:PORT; port 0 lets the system choose.

    Raises:
        UserError: if it is anything else.
    """
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not bare or not port.isdecimal() or int(port) > 65535:
        raise UserError(f"{text!r} is not an address: write HOST:PORT, such as 127.0.0.1:9092")
    return bare, int(port)


def written(host: str, port: int) -> str:
    """Formats an address for people and for the command line."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def pairs(labels: Iterable[str]) -> dict[str, str]:
    """Reads KEY=VALUE.

    Raises:
        UserError: if one is anything else.
    """
    read: dict[str, str] = {}
    for text in labels:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UserError(f"{text!r} is not a label: write KEY=VALUE")
        read[key] = value
    return read


def is_mine(host: str) -> bool:
    """Returns whether a description's address can be bound on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def secret_of(path: Path | None) -> str | None:
    """Reads a secret from a file; None if no file is named.

    Raises:
        UserError: if it cannot be read, or is empty.
    """
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path} cannot be read") from None
    if not text:
        raise UserError(f"{path} is empty")
    return text


def tls_of(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Makes a server's TLS context; None if no certificate is named.

    Raises:
        UserError: if the certificate or its key cannot be used.
    """
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise UserError(f"{certificate} cannot be used as a certificate: {error}") from None
    return context
