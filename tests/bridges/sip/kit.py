"""A minimal SIP caller for tests: sends requests as text and reads the answers."""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator
from typing import Any

from sipmessage import Message, Request, Response

from dfd.bridges.rtp.packets import RtpPacket
from dfd.bridges.sip.agent import AgentRules
from dfd.bridges.sip.server import SipOptions, SipServer
from tests.bridges.kit import MemorySink, exchange_to
from tests.waiting import turns

numbers = itertools.count(1)

METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
  <datamode>complete</datamode>
  <session session_id="hVpd7YQgRW2nD22h7q60JQ=="/>
  <participant participant_id="p1"><nameID aor="sip:ann@example.org"><name>Ann</name></nameID>
  </participant>
  <participant participant_id="p2"><nameID aor="sip:bob@example.org"/></participant>
  <stream stream_id="s1" session_id="hVpd7YQgRW2nD22h7q60JQ=="><label>96</label></stream>
  <stream stream_id="s2" session_id="hVpd7YQgRW2nD22h7q60JQ=="><label>97</label></stream>
  <participantstreamassoc participant_id="p1"><send>s1</send><recv>s2</recv>
  </participantstreamassoc>
  <participantstreamassoc participant_id="p2"><send>s2</send><recv>s1</recv>
  </participantstreamassoc>
</recording>
"""


def line(
    port: int = 40000,
    formats: str = "0",
    *more: str,
    protocol: str = "RTP/AVP",
    label: str = "",
    direction: str = "sendonly",
) -> list[str]:
    named = [f"a=label:{label}"] if label else []
    return [f"m=audio {port} {protocol} {formats}", *more, *named, f"a={direction}"]


def offer(*lines: list[str], host: str = "127.0.0.1") -> str:
    head = ["v=0", f"o=- 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
    return "\r\n".join([*head, *(row for one in lines for row in one)]) + "\r\n"


def multipart(sdp: str, metadata: str = METADATA) -> tuple[str, str]:
    """Makes SIPREC's body, and its type."""
    body = (
        f"--part\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--part\r\n"
        "Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n"
        f"\r\n{metadata}\r\n--part--\r\n"
    )
    return body, "multipart/mixed;boundary=part"


def request(
    method: str,
    *,
    call: str = "call-1",
    cseq: int = 1,
    to_tag: str = "",
    body: str = "",
    kind: str = "application/sdp",
    headers: tuple[str, ...] = (),
    branch: str = "",
    transport: str = "UDP",
    from_tag: str = "caller",
) -> bytes:
    rows = [
        f"{method} sip:dfd@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/{transport} 127.0.0.1:5099;rport;branch={branch or _branch()}",
        "Max-Forwards: 70",
        f'From: "Ann" <sip:ann@example.org>;tag={from_tag}',
        f"To: <sip:dfd@127.0.0.1>{';tag=' + to_tag if to_tag else ''}",
        f"Call-ID: {call}",
        f"CSeq: {cseq} {method}",
        "Contact: <sip:ann@127.0.0.1:5099>",
        *headers,
        *([f"Content-Type: {kind}"] if body else []),
        f"Content-Length: {len(body.encode())}",
    ]
    return ("\r\n".join(rows) + "\r\n\r\n" + body).encode()


def _branch() -> str:
    return f"z9hG4bK{next(numbers)}"


def ports(answer: Response) -> list[int]:
    """Returns the ports of the m= lines of an answer."""
    rows = answer.body.decode().splitlines()
    return [int(row.split()[1]) for row in rows if row.startswith("m=")]


def tag(answer: Response) -> str:
    return answer.to_address.parameters.get("tag") or ""


class Caller:
    """A UDP socket for SIP, and others for RTP."""

    def __init__(self, port: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.there = ("127.0.0.1", port)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.media.bind(("127.0.0.1", 0))

    def close(self) -> None:
        self.socket.close()
        self.media.close()

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, self.there)

    async def receive(self, seconds: float = 10.0) -> Request | Response:
        data = await asyncio.wait_for(self.loop.sock_recv(self.socket, 65536), seconds)
        return Message.parse(data)

    async def ask(self, data: bytes) -> Response:
        """Sends a request; returns its answer."""
        self.send(data)
        answer = await self.receive()
        assert isinstance(answer, Response)
        return answer

    async def call(self, sdp: str, **more: Any) -> Response:
        """Calls, and acknowledges the answer."""
        answer = await self.ask(request("INVITE", body=sdp, **more))
        assert answer.code == 200, bytes(answer)
        call = more.get("call", "call-1")
        self.send(request("ACK", call=call, to_tag=tag(answer), cseq=more.get("cseq", 1)))
        return answer

    async def speak(
        self, port: int, payloads: list[bytes], *, kind: int = 0, ticks: int = 160, ssrc: int = 7
    ) -> None:
        """Sends RTP, faster than real time but in an order that the jitter buffer handles."""
        for number, payload in enumerate(payloads):
            packet = RtpPacket(kind, number, number * ticks, ssrc, False, payload)
            self.media.sendto(packet.encode(), ("127.0.0.1", port))
            if number % 20 == 19:
                await turns()


@contextlib.asynccontextmanager
async def serving(
    daemon: Any, rules: AgentRules | None = None, trouble: str = "", **more: Any
) -> AsyncIterator[tuple[SipServer, Caller, MemorySink]]:
    """Starts a server on free ports, and a caller."""
    options = {name: more.pop(name) for name in ("allowed", "tls", "media_ports") if name in more}
    async with exchange_to(daemon, **more) as (exchange, sink):
        chosen = SipOptions(port=0, rules=rules or AgentRules(), **options)
        server = SipServer(exchange, chosen, lambda: trouble)
        bound = await server.start()
        caller = Caller(bound["UDP"][1])
        caller.bound = bound  # type: ignore[attr-defined]
        try:
            yield server, caller, sink
        finally:
            await server.stop()
            caller.close()


def payloads(content: bytes, size: int = 160) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def rows(answer: Response) -> list[str]:
    return answer.body.decode().splitlines()
