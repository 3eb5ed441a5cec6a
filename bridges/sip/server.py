"""Listens for SIP over UDP, TCP and TLS, and passes the calls to the exchange."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from dfd.bridges.exchange import Exchange
from dfd.bridges.log import log
from dfd.bridges.sip.agent import Agent, AgentRules
from dfd.bridges.sip.dialogs import Incoming, RefusedError, Way
from dfd.bridges.sip.media import CallMedia, MediaPlace
from dfd.bridges.sip.messages import Message
from dfd.bridges.sip.peers import Network, within
from dfd.bridges.sip.ports import PortRange
from dfd.bridges.sip.transports import Datagrams, Stream, Taken

_TICK_SECONDS = 0.05
_GOODBYE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SipOptions:
    """Where to receive SIP and media, and from whom.

    Attributes:
        host, port: address for UDP and TCP.
        tls_port: port for TLS; None for no TLS.
        tls: TLS context with a certificate.
        allowed: permitted peers; empty permits every address.
        media_ports: first and last port; 0 and 0 leave them to the system.
        media_address: address in answers; None means the one that the peer connected to.
        rules: requirements for callers.
    """

    host: str = "127.0.0.1"
    port: int = 5060
    tls_port: int | None = None
    tls: ssl.SSLContext | None = None
    allowed: tuple[Network, ...] = ()
    media_ports: tuple[int, int] = (0, 0)
    media_address: str | None = None
    rules: AgentRules


class SipServer:
    """Receives messages and media, and feeds the exchange.

    Args:
        exchange: has the limits.
        options: where to listen, and to whom.
        trouble: returns why a call would not be judged now; empty if it would be.
    """

    def __init__(
        self,
        exchange: Exchange,
        options: SipOptions,
        trouble: Callable[[], str] = lambda: "",
    ) -> None:
        self._exchange = exchange
        self._options = options
        self._trouble = trouble
        self._agent = Agent(self, options.rules)
        self._ports = PortRange(options.host, *options.media_ports)
        self._media: set[CallMedia] = set()
        self._closing = False
        self._servers: list[asyncio.Server] = []
        self._streams: set[Stream] = set()
        self._datagrams: asyncio.BaseTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._quiet = asyncio.Event()  # set when none of our requests is unanswered

    async def start(self) -> dict[str, tuple[str, int]]:
        """Listens; returns the addresses by transport.

        Raises:
            OSError: if an address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        options = self._options
        taken = Taken(self._permit, self._receive, self._broken)
        bound: dict[str, tuple[str, int]] = {}
        try:
            for attempt in range(16):
                self._datagrams, _ = await loop.create_datagram_endpoint(
                    lambda: Datagrams(taken), local_addr=(options.host, options.port)
                )
                bound["UDP"] = self._datagrams.get_extra_info("sockname")[:2]
                try:
                    await self._listen(taken, bound["UDP"][1], None)
                    break
                except OSError:  # a port chosen by the system may be in use for TCP
                    self._datagrams.close()
                    if options.port or attempt == 15:
                        raise
            bound["TCP"] = bound["UDP"]
            if options.tls is not None:
                bound["TLS"] = await self._listen(taken, options.tls_port or 0, options.tls)
        except OSError:
            await self.stop()
            raise
        self._tick()
        return bound

    async def stop(self) -> None:
        """Accepts no more calls, ends the present ones, and waits briefly for the responses."""
        self._closing = True
        loop = asyncio.get_running_loop()
        self._agent.hang_up_all("the bridge is closing", loop.time())
        if self._agent.waiting and self._timer is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), _GOODBYE_SECONDS)
        if self._timer is not None:
            self._timer.cancel()
        if self._datagrams is not None:
            self._datagrams.close()
        for server in self._servers:
            server.close()
        for stream in tuple(self._streams):
            stream.close()
        for server in self._servers:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.wait_closed(), _GOODBYE_SECONDS)

    def trouble(self) -> str:
        """Returns why a call would not be judged, or not be accepted."""
        if self._closing:
            return "the bridge is closing"
        if self._exchange.calls_active >= self._exchange.options.max_calls:
            return "the bridge is full"
        return self._trouble()

    def open(self, incoming: Incoming) -> CallMedia:
        """Accepts a call.

        Raises:
            RefusedError: if the bridge is full or closing.
        """
        retry = [("Retry-After", "10")]
        if self._closing:
            raise RefusedError(503, "the bridge is closing", "closing", retry)
        way = incoming.way
        call = self._exchange.enter("sip", f"{way.host}:{way.port}")
        if call is None:
            raise RefusedError(503, "the bridge is full", "full", retry)
        call.name = incoming.call_id
        place = MediaPlace(
            self._ports, self._options.media_address or way.local[0], self._options.allowed
        )
        clock = asyncio.get_running_loop().time
        media = CallMedia(self._exchange, call, incoming, place, clock, self._media.discard)
        self._media.add(media)
        log(
            logging.INFO,
            "call answered",
            call_id=incoming.call_id,
            siprec=incoming.siprec,
            source=call.source,
            transport=way.transport,
        )
        return media

    def refused(self, source: str, word: str, reason: str) -> None:
        """Counts and logs what was refused, except by `enter`, which logs by itself."""
        if word == "challenged":  # as is every call's first request, so it is not logged
            self._exchange.metrics.add("refused", label=word)
        elif word != "full":
            self._exchange.refuse(source, word, reason)

    async def _listen(self, taken: Taken, port: int, tls: ssl.SSLContext | None) -> tuple[str, int]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Stream(taken, self._streams), self._options.host, port, ssl=tls
        )
        self._servers.append(server)
        name: tuple[str, int] = server.sockets[0].getsockname()[:2]
        return name

    def _permit(self, host: str) -> bool:
        return not self._options.allowed or within(host, self._options.allowed)

    def _receive(self, message: Message, way: Way) -> None:
        self._agent.receive(message, way, asyncio.get_running_loop().time())
        if self._closing and not self._agent.waiting:
            self._quiet.set()

    def _broken(self, source: str, word: str, error: str) -> None:
        self._exchange.refuse(source, word, error)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._agent.poll(now)
        for media in tuple(self._media):
            reason = media.poll(now)
            if reason:
                self._agent.hang_up(media, reason, now)
        self._timer = loop.call_later(_TICK_SECONDS, self._tick)
