"""Limits on callers and calls, and isolation of one caller's mistakes from the others."""

import asyncio
import socket
from pathlib import Path

import pytest
from sipmessage import Message, Request

from dfd.bridges.rtp.packets import RtpPacket
from dfd.bridges.sip.peers import networks, within
from dfd.bridges.sip.plan import plan_sip
from dfd.clients import events as ev
from dfd.errors import UserError
from tests.bridges.kit import heard, mulaw, voice
from tests.bridges.sip.kit import Caller, line, offer, payloads, ports, request, serving, tag
from tests.clients.scripted import ScriptedServer
from tests.waiting import until

OFFER = offer(line())


async def test_a_disallowed_peer_gets_no_answer(daemon: ScriptedServer) -> None:
    async with serving(daemon, allowed=networks(["192.0.2.0/24"])) as (_, caller, _sink):
        caller.send(request("OPTIONS"))
        with pytest.raises(TimeoutError):
            await caller.receive(0.3)
        reader, writer = await asyncio.open_connection(*caller.there)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()


def test_networks() -> None:
    allowed = networks(["192.0.2.7", "2001:db8::/32"])
    assert within("192.0.2.7", allowed)
    assert within("::ffff:192.0.2.7", allowed)
    assert within("2001:db8::1%eth0", allowed)
    assert not within("192.0.2.8", allowed)
    assert not within("nonsense", allowed)
    with pytest.raises(UserError, match="not an address"):
        networks(["everybody"])


async def test_a_full_bridge_reports_it(daemon: ScriptedServer) -> None:
    async with serving(daemon, max_calls=1) as (_, caller, _sink):
        await caller.call(OFFER)
        refused = await caller.ask(request("INVITE", body=OFFER, call="call-2"))
        assert (refused.code, refused.headers["Retry-After"]) == (503, "10")
        assert (await caller.ask(request("OPTIONS", call="ping"))).code == 503


async def test_no_free_port_is_left(daemon: ScriptedServer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        number = taken.getsockname()[1] // 2 * 2
        async with serving(daemon, media_ports=(number, number + 1)) as (_, caller, _sink):
            refused = await caller.ask(request("INVITE", body=OFFER))
            assert refused.code == 503


async def test_a_call_without_media_is_ended_from_this_side(daemon: ScriptedServer) -> None:
    async with serving(daemon, idle_seconds=0.3) as (_, caller, _sink):
        await caller.call(OFFER)
        bye = await caller.receive()
        assert isinstance(bye, Request)
        assert bye.method == "BYE"


async def test_a_closing_bridge_ends_its_calls(daemon: ScriptedServer) -> None:
    async with serving(daemon) as (server, caller, _sink):
        await caller.call(OFFER)
        stopping = asyncio.create_task(server.stop())
        bye = await caller.receive()
        assert isinstance(bye, Request)
        assert "closing" in bye.headers["Reason"]
        await stopping


async def test_media_from_another_address_is_ignored(daemon: ScriptedServer) -> None:
    content = mulaw(voice(0.5))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.2", 0))
        async with serving(daemon) as (_, caller, sink):
            answer = await caller.call(OFFER)
            (port,) = ports(answer)
            for number in range(10):
                packet = RtpPacket(0, number, number * 160, 9, False, b"\x80" * 160)
                stranger.sendto(packet.encode(), ("127.0.0.1", port))
            await caller.speak(port, payloads(content))
            await until(lambda: len(heard(daemon, "call-1")) >= 2 * len(content))
            await caller.ask(request("BYE", to_tag=tag(answer), cseq=2))
            await until(lambda: sink.of(ev.Summary))
    assert len(heard(daemon, "call-1")) == 2 * len(content)


async def test_an_added_line_starts_another_stream(daemon: ScriptedServer) -> None:
    content = payloads(mulaw(voice(0.6)))
    spoken_bytes = 2 * sum(map(len, content))
    async with serving(daemon) as (_, caller, sink):
        answer = await caller.call(OFFER)
        await caller.speak(ports(answer)[0], content)
        await until(lambda: len(heard(daemon, "call-1")) >= spoken_bytes)
        both = offer(line(), line(40002))
        again = await caller.call(both, cseq=2, to_tag=tag(answer))
        assert ports(again)[0] == ports(answer)[0]
        for port in ports(again):
            await caller.speak(port, content, ssrc=port)
        await until(lambda: len(heard(daemon, "call-1-2")) >= 2 * spoken_bytes)
        await caller.ask(request("BYE", to_tag=tag(answer), cseq=3))
        await until(lambda: len(sink.of(ev.Summary)) == 2)
    assert {
        one.config.stream_id: one.config.audio_format.channel_count for one in daemon.connections
    } == {
        "call-1": 1,
        "call-1-2": 2,
    }


async def test_tcp_in_pieces_and_two_requests_at_once(daemon: ScriptedServer) -> None:
    async with serving(daemon) as (_, caller, _sink):
        reader, writer = await asyncio.open_connection(*caller.there)
        data = request("OPTIONS", transport="TCP") + request("OPTIONS", transport="TCP", cseq=2)
        for at in range(0, len(data), 50):
            writer.write(data[at : at + 50])
            await asyncio.sleep(0.001)  # each piece arrives alone
        for number in (1, 2):
            answer = Message.parse(await reader.readuntil(b"\r\n\r\n"))
            assert answer.cseq.sequence == number
        writer.write(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        writer.write(b"no SIP at all\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        assert (await caller.ask(request("OPTIONS", call="other"))).code == 200


async def test_a_hundred_unknown_callers_affect_no_call(daemon: ScriptedServer) -> None:
    content = mulaw(voice(0.5))
    async with serving(daemon) as (_, caller, sink):
        answer = await caller.call(OFFER)
        stranger = Caller(caller.there[1])
        for number in range(100):
            stranger.send(b"\xff" * number)
            stranger.send(request("INVITE", call=f"x{number}", body="v=0\r\n"))
        await caller.speak(ports(answer)[0], payloads(content))
        await until(lambda: len(heard(daemon, "call-1")) >= 2 * len(content))
        bye = await caller.ask(request("BYE", to_tag=tag(answer), cseq=2))
        assert bye.code == 200
        await until(lambda: sink.of(ev.Summary))
        stranger.close()
    assert len(heard(daemon, "call-1")) == 2 * len(content)


NOTHING: dict[str, object] = {
    "tls_port": None,
    "certificate": None,
    "key": None,
    "client_ca": None,
    "allow": (),
    "auth_file": None,
    "realm": "dfd",
    "algorithms": ("MD5",),
    "srtp_only": False,
    "media_ports": None,
    "media_address": None,
    "label_headers": (),
}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"listen": "0.0.0.0:5060"}, "anyone could call"),
        ({"tls_port": 5061}, "needs a certificate"),
        ({"media_ports": "many"}, "not a range of ports"),
        ({"media_ports": "5000-4000"}, "not a range of ports"),
        ({"allow": ("x",)}, "not an address"),
    ],
)
def test_invalid_options(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        plan_sip(**{"listen": "127.0.0.1:0", **NOTHING, **wrong})  # type: ignore[arg-type]


def test_a_file_of_users(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("# who may call\nann:se:cret\n")
    options = {"listen": "0.0.0.0:0", **NOTHING, "auth_file": users}
    plan = plan_sip(**options)  # type: ignore[arg-type]
    checks = plan.options.rules.authenticator
    assert checks is not None
    assert checks.users == {"ann": "se:cret"}
    assert "cret" not in repr(plan)
    users.write_text("ann\n")
    with pytest.raises(UserError, match="line 1"):
        plan_sip(**options)  # type: ignore[arg-type]
