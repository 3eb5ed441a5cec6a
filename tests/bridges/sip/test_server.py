"""The whole server over real sockets: calls with media, to a scripted daemon."""

import numpy as np

from dfd.bridges.media.g711 import mulaw_samples
from dfd.bridges.rtp.packets import RtpPacket
from dfd.clients import events as ev
from tests.bridges.kit import heard, mulaw, voice
from tests.bridges.sip.kit import (
    line,
    multipart,
    offer,
    payloads,
    ports,
    request,
    rows,
    serving,
    tag,
)
from tests.clients.scripted import ScriptedServer
from tests.waiting import paced, until


async def test_a_plain_call_is_received_to_the_sample(daemon: ScriptedServer) -> None:
    content = mulaw(voice(1.0))
    async with serving(daemon) as (_, caller, sink):
        answer = await caller.call(offer(line(formats="0", direction="sendrecv")))
        assert "a=recvonly" in rows(answer)
        await caller.speak(ports(answer)[0], payloads(content))
        await until(lambda: len(heard(daemon, "call-1")) >= 2 * len(content))
        bye = await caller.ask(request("BYE", to_tag=tag(answer), cseq=2))
        assert bye.code == 200
        await until(lambda: sink.of(ev.Summary))
    assert heard(daemon, "call-1") == mulaw_samples(content).tobytes()
    _, _, more = sink.told[-1]
    assert more["protocol"] == "sip"
    labels = more["labels"]
    assert isinstance(labels, dict)
    assert labels["from"] == "sip:ann@example.org"
    assert labels["codec"] == "PCMU"


async def test_two_lines_of_siprec_are_two_channels(daemon: ScriptedServer) -> None:
    one, two = voice(2.0, seed=1), voice(2.0, seed=2)
    body, kind = multipart(offer(line(40000, label="96"), line(40002, label="97")))
    async with serving(daemon) as (_, caller, sink):
        answer = await caller.call(body, kind=kind, headers=("Require: siprec",))
        first, second = ports(answer)
        assert [row for row in rows(answer) if "label" in row] == ["a=label:96", "a=label:97"]
        assert "+sip.srs" in answer.headers["Contact"]
        pairs = enumerate(zip(payloads(mulaw(one)), payloads(mulaw(two)), strict=True))
        # in real time, so that neither line is ahead
        async for number, (left, right) in paced(pairs, 0.019):
            for port, payload in ((first, left), (second, right)):
                packet = RtpPacket(0, number, number * 160, port, False, payload)
                caller.media.sendto(packet.encode(), ("127.0.0.1", port))
        assert (await caller.ask(request("BYE", to_tag=tag(answer), cseq=2))).code == 200
        await until(lambda: sink.of(ev.Summary))
    labels = sink.told[-1][2]["labels"]
    assert isinstance(labels, dict)
    assert labels["channel_0"] == "Ann <sip:ann@example.org>"
    assert labels["channel_1"] == "sip:bob@example.org"
    assert labels["siprec_session"] == "hVpd7YQgRW2nD22h7q60JQ=="
    timeline = np.frombuffer(heard(daemon, "call-1"), "<i2").reshape(-1, 2)
    for channel, spoken in enumerate((one, two)):
        said = mulaw_samples(mulaw(spoken))
        at = _find(timeline[:, channel], said[:400])
        assert at < 0.1 * 8000
        assert np.array_equal(timeline[at : at + len(said), channel], said)


def _find(timeline: np.ndarray, part: np.ndarray) -> int:
    for at in range(len(timeline) - len(part)):
        if np.array_equal(timeline[at : at + len(part)], part):
            return at
    raise AssertionError("it was not heard")
