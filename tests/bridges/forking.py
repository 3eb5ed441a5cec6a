"""A SIP proxy that forks the audio of a call between two agents to the bridge."""

import asyncio
import re
from collections.abc import Callable
from typing import Any, cast

from tests.bridges.rtp.test_server import free_port


class Socket(asyncio.DatagramProtocol):
    """A port that forwards what it receives."""

    def __init__(self, got: Callable[["Socket", bytes, Any], None]) -> None:
        self.got = got
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.got(self, data, addr)

    def error_received(self, error: Exception) -> None: ...

    def send(self, data: bytes, port: int) -> None:
        assert self.transport is not None
        self.transport.sendto(data, ("127.0.0.1", port))

    @property
    def port(self) -> int:
        assert self.transport is not None
        return int(self.transport.get_extra_info("sockname")[1])


class Fork:
    """Stands between two agents as a session border controller does, and copies their media.

    Offer and answer go through it, each with a port of its own in place of the agent's; what
    comes there goes on to the agent and, once more, to the bridge.
    """

    def __init__(self, callee: int, bridge_ports: tuple[int, int]) -> None:
        self.callee = callee
        self.caller = 0
        self.bridge_ports = list(bridge_ports)
        self.sockets: list[Socket] = []
        self.media: dict[int, int] = {}
        self.signalling: Socket | None = None

    async def open(self, got: Callable[[Socket, bytes, Any], None], port: int = 0) -> Socket:
        loop = asyncio.get_running_loop()
        _, made = await loop.create_datagram_endpoint(
            lambda: Socket(got), local_addr=("127.0.0.1", port)
        )
        self.sockets.append(made)
        return made

    async def start(self) -> int:
        self.spare = [await self.pair() for _ in range(2)]
        self.signalling = await self.open(self.sip)
        return self.signalling.port

    async def pair(self) -> tuple[Socket, Socket]:
        port = free_port()
        return await self.open(self.rtp, port), await self.open(self.rtp, port + 1)

    def close(self) -> None:
        for one in self.sockets:
            assert one.transport is not None
            one.transport.close()

    def rtp(self, here: Socket, data: bytes, addr: Any) -> None:
        if (agent_port := self.media.get(here.port)) is not None:
            here.send(data, agent_port)
            here.send(data, self.media[here.port + 100_000])

    def sip(self, here: Socket, data: bytes, addr: Any) -> None:
        if addr[1] != self.callee:
            self.caller = addr[1]
        head, _, body = data.partition(b"\r\n\r\n")
        found = re.search(rb"m=audio (\d+)", body)
        if found:
            port = self.port_for(int(found[1]))
            body = body.replace(found[0], b"m=audio %d" % port)
            body = re.sub(rb"a=rtcp:\d+", b"a=rtcp:%d" % (port + 1), body)
            length = b"Content-Length: %d" % len(body)
            head = re.sub(rb"Content-Length: *\d+", length, head)
        to = self.caller if addr[1] == self.callee else self.callee
        here.send(head + b"\r\n\r\n" + body, to)

    def port_for(self, agent_port: int) -> int:
        for mine, theirs in self.media.items():
            if theirs == agent_port and mine < 100_000:
                return mine
        media, control = self.spare.pop()
        forked = self.bridge_ports.pop()
        self.media[media.port], self.media[control.port] = agent_port, agent_port + 1
        self.media[media.port + 100_000] = forked
        self.media[control.port + 100_000] = forked + 1
        return media.port
