"""SRTP with keys in the description: a call encrypted by libsrtp, and what is not accepted."""

import base64

import pytest

from dfd.bridges.media.g711 import mulaw_samples
from dfd.bridges.rtp.packets import RtpPacket
from dfd.bridges.sip.agent import AgentRules
from dfd.bridges.sip.srtp import choose
from dfd.clients import events as ev
from tests.bridges.kit import heard, mulaw, voice
from tests.bridges.sip.kit import line, offer, payloads, ports, request, rows, serving, tag
from tests.clients.scripted import ScriptedServer
from tests.waiting import until

pylibsrtp = pytest.importorskip("pylibsrtp", reason="no SRTP: pip install 'dfd[bridge]'")
KEY = bytes(range(30))
CRYPTO = f"a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{base64.b64encode(KEY).decode()}|2^31"
SECURE = line(40000, "0", CRYPTO, protocol="RTP/SAVP")


async def test_a_call_in_srtp(daemon: ScriptedServer) -> None:
    content = mulaw(voice(0.5))
    policy = pylibsrtp.Policy(key=KEY, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    session = pylibsrtp.Session(policy=policy)
    async with serving(daemon, AgentRules(srtp_only=True)) as (_, caller, sink):
        answer = await caller.call(offer(SECURE))
        (crypto,) = [row for row in rows(answer) if row.startswith("a=crypto")]
        assert crypto.startswith("a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:")
        (port,) = ports(answer)
        for number, payload in enumerate(payloads(content)):
            packet = RtpPacket(0, number, number * 160, 7, False, payload).encode()
            caller.media.sendto(packet, ("127.0.0.1", port))  # not encrypted, so it is dropped
            caller.media.sendto(session.protect(packet), ("127.0.0.1", port))
        await until(lambda: len(heard(daemon, "call-1")) >= 2 * len(content))
        await caller.ask(request("BYE", to_tag=tag(answer), cseq=2))
        await until(lambda: sink.of(ev.Summary))
    assert heard(daemon, "call-1") == mulaw_samples(content).tobytes()


async def test_unencrypted_audio_is_declined_if_srtp_is_required(
    daemon: ScriptedServer,
) -> None:
    async with serving(daemon, AgentRules(srtp_only=True)) as (_, caller, _sink):
        answer = await caller.ask(request("INVITE", body=offer(line())))
        assert answer.code == 488
        assert "only SRTP" in answer.headers["Warning"]


def test_the_first_supported_line_is_chosen() -> None:
    key = base64.b64encode(bytes(28)).decode()
    keys = choose(
        [
            "1 F8_128_HMAC_SHA1_80 inline:" + base64.b64encode(KEY).decode(),
            "2 AEAD_AES_128_GCM inline:" + key,
        ]
    )
    assert keys is not None
    assert (keys.tag, keys.suite) == ("2", "AEAD_AES_128_GCM")
    assert repr(bytes(28)) not in repr(keys)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "1 AES_CM_128_HMAC_SHA1_80",
        "1 AES_CM_128_HMAC_SHA1_80 inline:AAAA",
        "1 AES_CM_128_HMAC_SHA1_80 inline:!!!!",
        "x AES_CM_128_HMAC_SHA1_80 inline:" + base64.b64encode(KEY).decode(),
        "1 AES_CM_128_HMAC_SHA1_80 inline:" + base64.b64encode(KEY).decode() + "|1:4",
        "1 AES_CM_128_HMAC_SHA1_80 inline:" + base64.b64encode(KEY).decode() + " UNENCRYPTED_SRTP",
    ],
)
def test_unsupported_lines_are_not_chosen(wrong: str) -> None:
    assert choose([wrong]) is None
