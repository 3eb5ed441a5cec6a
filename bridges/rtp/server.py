"""Listens for RTP: one call per port, or one port that distinguishes calls by source."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from dfd.bridges.calls import ProtocolError, call_name
from dfd.bridges.exchange import Call, Exchange
from dfd.bridges.limits import ByteBudget
from dfd.bridges.log import log
from dfd.bridges.media.codecs import STATIC_CODECS, Codec
from dfd.bridges.rtp import rtcp
from dfd.bridges.rtp.packets import RtpPacket, is_rtcp, parse
from dfd.bridges.rtp.source import RtpCall
from dfd.bridges.rtp.tally import Tally

_TICK_SECONDS = 0.05
_RECEIVE_BUFFER_BYTES = 1 << 20
# A source is accepted once two consecutive packets came from it; this many are remembered.
_MAX_CANDIDATES = 1024
_CANDIDATE_SECONDS = 5.0

Address = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpOptions:
    """Where to receive RTP, and its codecs.

    Attributes:
        ports: each carries one call; if empty, `port` carries all, distinguished by source.
        codecs: codecs by payload type.
        labels: labels of every call, such as the session's name.
    """

    host: str = "127.0.0.1"
    port: int = 0
    ports: tuple[int, ...] = ()
    rtcp_port: int | None = None
    codecs: Mapping[int, Codec] = field(default_factory=lambda: dict(STATIC_CODECS))
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class _Active:
    """A call and when it was last active."""

    rtp: RtpCall
    call: Call
    address: Address
    heard: float
    budget: ByteBudget
    tally: Tally


class RtpServer:
    """Receives packets and feeds the exchange."""

    def __init__(self, exchange: Exchange, options: RtpOptions) -> None:
        self._exchange = exchange
        self._options = options
        self._transports: list[asyncio.DatagramTransport] = []
        self._ports: list[_Port] = []
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> list[Address]:
        """Binds every port; returns the RTP addresses.

        Raises:
            OSError: if a port cannot be bound.
        """
        options = self._options
        addresses: list[Address] = []
        try:
            for number in options.ports or (options.port,):
                port = _Port(self._exchange, options, shared=not options.ports)
                self._ports.append(port)
                bound = await self._bind(port, number)
                port.number = bound[1]
                addresses.append(bound)
                rtcp_port = options.rtcp_port or bound[1] + 1
                try:
                    if rtcp_port != bound[1]:
                        await self._bind(port, rtcp_port)
                except OSError:
                    log(
                        logging.WARNING,
                        "no RTCP: its port is taken",
                        port=bound[1],
                        rtcp_port=rtcp_port,
                    )
        except OSError:
            await self.stop()
            raise
        self._tick()
        return addresses

    async def stop(self) -> None:
        """Stops listening and ends every call."""
        if self._timer is not None:
            self._timer.cancel()
        for transport in self._transports:
            transport.close()
        for port in self._ports:
            port.end_all("the bridge is closing")

    async def _bind(self, port: _Port, number: int) -> Address:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(port), local_addr=(self._options.host, number)
        )
        self._transports.append(transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        name = transport.get_extra_info("sockname")
        return str(name[0]), int(name[1])

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for port in self._ports:
            port.poll(now)
        self._timer = loop.call_later(_TICK_SECONDS, self._tick)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, port: _Port) -> None:
        self._port = port

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._port.receive(data, (addr[0], addr[1]), asyncio.get_running_loop().time())


class _Port:
    """The calls of one port: one, locked to its first source, or any number."""

    def __init__(self, exchange: Exchange, options: RtpOptions, *, shared: bool) -> None:
        self.number = 0
        self._exchange = exchange
        self._options = options
        self._shared = shared
        self._active: dict[tuple[Address, int], _Active] = {}
        self._candidates: dict[tuple[Address, int], tuple[int, RtpPacket, float]] = {}

    def receive(self, data: bytes, address: Address, now: float) -> None:
        """Handles a datagram, RTP or RTCP."""
        if is_rtcp(data):
            self._control(data, address)
            return
        metrics = self._exchange.metrics
        try:
            packet = parse(data)
        except ProtocolError as error:
            metrics.add("packets", label="invalid")
            self._exchange.refuse(f"{address[0]}:{address[1]}", "packet", str(error))
            return
        active = self._find(packet, address)
        if active is None:
            self._candidate(packet, address, now)
            return
        if not active.budget.take(len(data)):
            metrics.add("packets", label="over_rate")
            return
        active.heard = now
        active.call.handle(active.rtp.push(packet, now))

    def poll(self, now: float) -> None:
        """Gives up on lost packets and on calls that fell silent."""
        idle = self._exchange.options.idle_seconds
        for key, active in tuple(self._active.items()):
            if active.rtp.waiting:
                active.call.handle(active.rtp.poll(now))
            active.tally.update(active.rtp)
            if now - active.heard > idle:
                self._end(key, f"idle: no RTP for {idle:g} s")
        old = now - _CANDIDATE_SECONDS
        for one in [one for one, (_, _, then) in self._candidates.items() if then < old]:
            del self._candidates[one]

    def end_all(self, reason: str) -> None:
        """Ends every call."""
        for key in tuple(self._active):
            self._end(key, reason)

    def _find(self, packet: RtpPacket, address: Address) -> _Active | None:
        if self._shared:
            return self._active.get((address, packet.ssrc))
        for active in self._active.values():  # at most one
            if active.address == address:
                return active
        return None

    def _candidate(self, packet: RtpPacket, address: Address, now: float) -> None:
        """Accepts a new source once two of its packets arrived in a row."""
        metrics = self._exchange.metrics
        if self._active and not self._shared:
            metrics.add("packets", label="foreign")
            return
        if packet.payload_type not in self._options.codecs:
            metrics.add("packets", label="unknown_payload")
            source = f"{address[0]}:{address[1]}"
            reason = f"payload type {packet.payload_type} is in no session description given"
            self._exchange.refuse(source, "payload", reason)
            return
        key = (address, packet.ssrc)
        before = self._candidates.pop(key, None)
        if before is None or (packet.sequence - before[0]) & 0xFFFF > 3:
            if len(self._candidates) >= _MAX_CANDIDATES:
                self._candidates.pop(next(iter(self._candidates)))
            self._candidates[key] = (packet.sequence, packet, now)
            return
        source = f"{address[0]}:{address[1]}"
        call = self._exchange.enter("rtp", source)
        if call is None:
            return
        labels = {
            **self._options.labels,
            "source": source,
            "port": str(self.number),
            "ssrc": f"{packet.ssrc:08x}",
        }
        rtp = RtpCall(
            call_name(f"rtp-{self.number}-{packet.ssrc:08x}-{call.number}"),
            self._options.codecs,
            labels,
            self._exchange.options.hold_seconds,
        )
        budget = ByteBudget(self._exchange.options.max_bytes_per_second)
        self._active[key] = _Active(rtp, call, address, now, budget, Tally(metrics))
        if not self._shared:
            self._candidates.clear()
        call.handle(rtp.push(before[1], before[2]))
        call.handle(rtp.push(packet, now))

    def _control(self, data: bytes, address: Address) -> None:
        try:
            news = rtcp.parse(data)
        except ProtocolError:
            self._exchange.metrics.add("packets", label="invalid_rtcp")
            return
        self._exchange.metrics.add("packets", label="rtcp")
        for key, active in tuple(self._active.items()):
            ssrc = active.rtp.ssrc
            if active.address[0] != address[0] or ssrc is None:
                continue
            name = news.names.get(ssrc)
            if name and active.rtp.labels.setdefault("cname", name) is name:
                log(logging.INFO, "the sender's name", call_id=active.call.name, cname=name)
            if ssrc in news.senders:
                active.tally.reached("reported_sent", news.senders[ssrc])
            if ssrc in news.left:
                self._end(key, "RTCP goodbye")

    def _end(self, key: tuple[Address, int], reason: str) -> None:
        active = self._active.pop(key)
        active.call.handle(active.rtp.end(reason))
        active.tally.update(active.rtp)
        active.call.end(reason)
