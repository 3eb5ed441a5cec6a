"""Listens for WebSocket media in one dialect; reads promptly, whatever the daemon does."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import http
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from dfd.bridges.calls import ProtocolError, labels_of
from dfd.bridges.exchange import Exchange
from dfd.bridges.limits import ByteBudget
from dfd.bridges.websocket.audiohook import AudioHook
from dfd.bridges.websocket.chan_websocket import ChanWebsocket
from dfd.bridges.websocket.dialects import Dialect
from dfd.bridges.websocket.forked import Forked
from dfd.bridges.websocket.twilio import Twilio, signed_by_twilio

logger = logging.getLogger("dfd.bridge")

_MAX_QUERY_FIELDS = 64
_MAX_MESSAGE_BYTES = 1 << 18
_MAX_PENDING_MESSAGES = 64
_PING_SECONDS = 20.0
# Close codes of RFC 6455, section 7.4.1, with which the library reports protocol violations.
_OWN_FAULTS = frozenset({1002, 1003, 1007, 1009})


@dataclass(frozen=True, slots=True, kw_only=True)
class WebsocketOptions:
    """Which dialect to use, and who may connect.

    Attributes:
        dialect: a name of `DIALECTS`.
        rate_hz, channel_count: for forked audio whose peer does not state them.
        twilio_token: the account's auth token; if given, a signature is required.
        public_urls: URLs configured at Twilio; if empty, taken from the request.
        basic_auth: "user:password" required of the peer.
        api_key: key required in X-API-KEY.
        tls: TLS context, to serve wss://.
    """

    dialect: str
    host: str = "127.0.0.1"
    port: int = 0
    rate_hz: int = 8000
    channel_count: int = 1
    twilio_token: str | None = None
    public_urls: tuple[str, ...] = ()
    basic_auth: str | None = None
    api_key: str | None = None
    tls: ssl.SSLContext | None = None


_Factory = Callable[[WebsocketOptions, Mapping[str, str], str], Dialect]


def _forked(subprotocols: tuple[str, ...], *, metadata: bool = True) -> _Factory:
    def make(options: WebsocketOptions, labels: Mapping[str, str], source: str) -> Dialect:
        return Forked(
            subprotocols,
            rate_hz=options.rate_hz,
            channel_count=options.channel_count,
            fallback_id=source,
            labels=labels,
            metadata=metadata,
        )

    return make


DIALECTS: Mapping[str, _Factory] = {
    "twilio": lambda options, labels, source: Twilio(labels),
    "chan_websocket": lambda options, labels, source: ChanWebsocket(labels),
    "mod_audio_fork": _forked(("audiostream.drachtio.org", "audio.drachtio.org")),
    "mod_audio_stream": _forked((), metadata=False),
    "jambonz": _forked(("audio.jambonz.org",)),
    "audiohook": lambda options, labels, source: AudioHook(labels),
}


class WebsocketServer:
    """Accepts connections and feeds the exchange."""

    def __init__(self, exchange: Exchange, options: WebsocketOptions) -> None:
        self._exchange = exchange
        self._options = options
        self._make = DIALECTS[options.dialect]
        self._server: Server | None = None
        probe = self._make(options, {}, "")
        self._subprotocols = [Subprotocol(name) for name in probe.subprotocols]

    async def start(self) -> tuple[str, int]:
        """Listens; returns the bound address.

        Raises:
            OSError: if the address cannot be bound.
        """
        options = self._options
        self._server = await serve(
            self._hold,
            options.host,
            options.port,
            ssl=options.tls,
            subprotocols=self._subprotocols or None,
            select_subprotocol=self._select if self._subprotocols else None,
            process_request=self._admit,
            compression=None,
            max_size=_MAX_MESSAGE_BYTES,
            max_queue=_MAX_PENDING_MESSAGES,
            open_timeout=self._exchange.options.handshake_seconds,
            ping_interval=_PING_SECONDS,
            ping_timeout=_PING_SECONDS,
            close_timeout=2.0,
            logger=logging.getLogger("dfd.bridge.websocket"),
        )
        name: tuple[str, int] = next(iter(self._server.sockets)).getsockname()[:2]
        return name

    async def stop(self) -> None:
        """Accepts no more connections and closes the open ones."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _select(self, connection: ServerConnection, offered: object) -> Subprotocol | None:
        """Selects the dialect's subprotocol, without insisting on one."""
        given = offered if isinstance(offered, list | tuple) else ()
        return next((one for one in self._subprotocols if one in given), None)

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Authenticates the peer before the WebSocket is opened."""
        reason = self._missing(connection, request)
        if reason is None:
            return None
        self._exchange.refuse(_source(connection), "unauthorized", reason)
        return connection.respond(http.HTTPStatus.FORBIDDEN, f"{reason}\n")

    def _missing(self, connection: ServerConnection, request: Request) -> str | None:
        options, headers = self._options, request.headers
        if not request.path.isascii():
            return "the path is not percent-encoded"
        if options.basic_auth is not None and not _basic(
            _only(headers, "Authorization"), options.basic_auth
        ):
            return "the user and password are missing or wrong"
        if options.api_key is not None:
            given = _only(headers, "X-API-KEY")
            if not hmac.compare_digest(given.encode(), options.api_key.encode()):
                return "X-API-KEY is missing or wrong"
        if options.twilio_token is not None:
            host = _only(headers, "Host")
            urls = [f"{scheme}://{host}{request.path}" for scheme in ("wss", "https", "ws")]
            if options.public_urls:
                query = urlsplit(request.path).query
                urls = [
                    f"{url}?{query}" if query and "?" not in url else url
                    for url in options.public_urls
                ]
            if not signed_by_twilio(
                options.twilio_token, urls, _only(headers, "X-Twilio-Signature")
            ):
                return "X-Twilio-Signature is missing or wrong"
        return None

    async def _hold(self, connection: ServerConnection) -> None:
        """Serves one connection."""
        source = _source(connection)
        query = urlsplit(connection.request.path if connection.request else "").query
        try:
            labels = labels_of(dict(parse_qsl(query, max_num_fields=_MAX_QUERY_FIELDS)))
        except ValueError:
            reason = f"the query has more than {_MAX_QUERY_FIELDS} fields"
            self._exchange.refuse(source, "protocol", reason)
            await connection.close(1008, reason)
            return
        call = self._exchange.enter(self._options.dialect, source)
        if call is None:
            await connection.close(1013, "the bridge is full")
            return
        options = self._exchange.options
        dialect = self._make(self._options, labels, f"{self._options.dialect}-{call.number}")
        budget = ByteBudget(options.max_bytes_per_second)
        watch = _Watch(connection, options.handshake_seconds, options.idle_seconds)
        reason = "connection closed"
        try:
            while call.ended is None:
                message = await connection.recv()
                watch.heard = True
                if not budget.take(len(message)):
                    raise ProtocolError("it sends more bytes than max_bytes_per_second")
                for reply in call.handle(dialect.receive(message)):
                    await connection.send(reply)
            reason = call.ended
            await connection.close()
        except ProtocolError as error:
            call.handle(dialect.end())
            call.refuse("protocol", str(error))
            await connection.close(1002, str(error)[:60])
        except ConnectionClosed as closed:
            if watch.gave_up:
                call.refuse("idle", f"nothing arrived for {watch.seconds:g} s")
            elif closed.sent is not None and closed.sent.code in _OWN_FAULTS:
                call.refuse("protocol", closed.sent.reason or "no WebSocket")
            elif closed.rcvd is None:
                reason = "connection broken"
        finally:
            watch.cancel()
            call.handle(dialect.end())
            call.end(reason)


class _Watch:
    """Closes a connection on which nothing arrives."""

    def __init__(self, connection: ServerConnection, first: float, later: float) -> None:
        self.heard = False
        self.gave_up = False
        self.seconds = first
        self._later = later
        self._connection = connection
        self._closing: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(first, self._check)

    def cancel(self) -> None:
        """Stops watching."""
        self._timer.cancel()

    def _check(self) -> None:
        if not self.heard:
            self.gave_up = True
            self._closing = asyncio.create_task(self._connection.close(1008, "nothing came"))
            return
        self.heard = False
        self.seconds = self._later
        self._timer = asyncio.get_running_loop().call_later(self._later, self._check)


def _source(connection: ServerConnection) -> str:
    peer = connection.remote_address
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(peer)


def _only(headers: Headers, name: str) -> str:
    """Returns a header's value; empty unless it occurs exactly once and is ASCII."""
    values = headers.get_all(name)
    return values[0] if len(values) == 1 and values[0].isascii() else ""


def _basic(header: str, wanted: str) -> bool:
    scheme, _, encoded = header.partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, wanted.encode())
