"""IPv6, and TLS that requires certificates of its peers."""

import asyncio
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from sipmessage import Message, Response

from dfd.bridges.media.g711 import mulaw_samples
from dfd.bridges.rtp.packets import RtpPacket
from dfd.bridges.sip.agent import AgentRules
from dfd.bridges.sip.plan import plan_sip
from dfd.bridges.sip.server import SipOptions, SipServer
from dfd.clients import events as ev
from tests.bridges.kit import exchange_to, heard, mulaw, voice
from tests.bridges.real import need
from tests.bridges.sip.kit import line, offer, payloads, ports, request, rows, tag
from tests.bridges.sip.test_limits import NOTHING
from tests.clients.scripted import ScriptedServer
from tests.waiting import until


async def test_a_call_over_ipv6(daemon: ScriptedServer) -> None:
    content = mulaw(voice(0.5))
    sdp = offer(line()).replace("IP4 127.0.0.1", "IP6 ::1")
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as phone:
        try:
            phone.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
        phone.setblocking(False)
        async with exchange_to(daemon) as (exchange, sink):
            server = SipServer(exchange, SipOptions(host="::1", port=0, rules=AgentRules()))
            there = (await server.start())["UDP"]

            async def ask(data: bytes) -> Response:
                phone.sendto(data, there)
                got = await asyncio.wait_for(loop.sock_recv(phone, 65536), 10)
                answer = Message.parse(got)
                assert isinstance(answer, Response)
                return answer

            answer = await ask(request("INVITE", body=sdp))
            assert "c=IN IP6 ::1" in rows(answer)
            assert f"[::1]:{there[1]}" in answer.headers["Contact"]
            phone.sendto(request("ACK", to_tag=tag(answer)), there)
            for number, payload in enumerate(payloads(content)):
                packet = RtpPacket(0, number, number * 160, 7, False, payload)
                phone.sendto(packet.encode(), ("::1", ports(answer)[0]))
            await until(lambda: len(heard(daemon, "call-1")) >= 2 * len(content))
            await ask(request("BYE", to_tag=tag(answer), cseq=2))
            await until(lambda: sink.of(ev.Summary))
            await server.stop()
    assert heard(daemon, "call-1") == mulaw_samples(content).tobytes()


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


async def test_tls_that_requires_a_client_certificate(
    daemon: ScriptedServer, tmp_path: Path
) -> None:
    need("openssl")
    cert, key = certificate(tmp_path, "bridge")
    mine, my_key = certificate(tmp_path, "peer")
    options = {**NOTHING, "certificate": cert, "key": key, "client_ca": mine, "tls_port": 0}
    plan = plan_sip(**{"listen": "127.0.0.1:0", **options})  # type: ignore[arg-type]
    async with exchange_to(daemon) as (exchange, _):
        server = SipServer(exchange, plan.options)
        there = (await server.start())["TLS"]
        for known in (True, False):
            context = ssl.create_default_context(cafile=str(cert))
            if known:
                context.load_cert_chain(mine, my_key)
            reader, writer = await asyncio.open_connection(*there, ssl=context)
            writer.write(request("OPTIONS", transport="TLS"))
            if known:
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"SIP/2.0 200")
            else:
                with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                    await reader.readuntil(b"\r\n\r\n")
            writer.close()
        await server.stop()
