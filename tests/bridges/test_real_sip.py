"""SIP calls of real agents whose media reach `dfd bridge rtp`: sipp, and two of baresip."""

import asyncio
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.bridges.media.g711 import alaw_samples
from dfd.bridges.rtp.packets import RtpPacket
from dfd.clients.runs.local_daemon import local_daemon
from tests.bridges.kit import alaw
from tests.bridges.real import bridge, judged, need, programs, run, seconds, speak
from tests.bridges.rtp.test_server import free_port

pytest.importorskip("torch", reason="no daemon to start: pip install 'dfd[serve]'")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def daemon() -> Iterator[str]:
    with local_daemon() as address:
        yield address


ANSWER = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="answer">
  <recv request="INVITE" />
  <send><![CDATA[
    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:];tag=[pid]SIPpTag01[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Contact: <sip:[local_ip]:[local_port];transport=[transport]>
    Content-Type: application/sdp
    Content-Length: [len]

    v=0
    o=bridge 1 1 IN IP4 127.0.0.1
    s=recorder
    c=IN IP4 127.0.0.1
    t=0 0
    m=audio {port} RTP/AVP 8 101
    a=rtpmap:101 telephone-event/8000
  ]]></send>
  <recv request="ACK" />
  <recv request="BYE" />
  <send><![CDATA[
    SIP/2.0 200 OK
    [last_Via:]
    [last_From:]
    [last_To:]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: 0
  ]]></send>
</scenario>
"""
CALL = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="call">
  <send retrans="500"><![CDATA[
    INVITE sip:bridge@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: <sip:caller@[local_ip]:[local_port]>;tag=[pid]SIPpTag00[call_number]
    To: <sip:bridge@[remote_ip]:[remote_port]>
    Call-ID: [call_id]
    CSeq: 1 INVITE
    Contact: <sip:caller@[local_ip]:[local_port]>
    Max-Forwards: 70
    Content-Type: application/sdp
    Content-Length: [len]

    v=0
    o=caller 1 1 IN IP[local_ip_type] [local_ip]
    s=call
    c=IN IP[media_ip_type] [media_ip]
    t=0 0
    m=audio [media_port] RTP/AVP 8 101
    a=rtpmap:101 telephone-event/8000
  ]]></send>
  <recv response="100" optional="true" />
  <recv response="200" />
  <send><![CDATA[
    ACK sip:bridge@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: <sip:caller@[local_ip]:[local_port]>;tag=[pid]SIPpTag00[call_number]
    [last_To:]
    Call-ID: [call_id]
    CSeq: 1 ACK
    Content-Length: 0
  ]]></send>
  <nop><action><exec play_pcap_audio="{capture}"/></action></nop>
  <pause milliseconds="{length}"/>
  <send retrans="500"><![CDATA[
    BYE sip:bridge@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: <sip:caller@[local_ip]:[local_port]>;tag=[pid]SIPpTag00[call_number]
    [last_To:]
    Call-ID: [call_id]
    CSeq: 2 BYE
    Content-Length: 0
  ]]></send>
  <recv response="200" />
</scenario>
"""


def capture(
    path: Path,
    packets: list[tuple[float, RtpPacket]],
    port: Callable[[RtpPacket], int] = lambda packet: 20000,
) -> None:
    """Writes RTP as tcpdump would capture it on Ethernet."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for when, packet in packets:
            content = packet.encode()
            udp = struct.pack(">HHHH", 10000, port(packet), 8 + len(content), 0) + content
            head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
            frame = bytes(12) + b"\x08\x00" + head + bytes([127, 0, 0, 1] * 2) + udp
            whole, part = divmod(round(when * 1e6), 1_000_000)
            file.write(struct.pack("<IIII", whole, part, len(frame), len(frame)) + frame)


def spoken_with_a_digit(content: bytes) -> list[tuple[float, RtpPacket]]:
    """Makes A-law in packets of 30 ms, with a key pressed for a tenth of a second in the middle."""
    packets: list[tuple[float, RtpPacket]] = []
    sequence, ticks = 500, 160_000

    def put(payload: bytes, kind: int, when: int, marker: bool = False) -> None:
        nonlocal sequence
        made = RtpPacket(kind, sequence, when, 0x5151, marker, payload)
        packets.append(((ticks - 160_000) / 8000 + 1, made))
        sequence += 1

    half = len(content) // 480 * 240
    for at in range(0, len(content), 240):
        if at == half:
            began = ticks
            for number in range(8):  # the last three mark the end (RFC 4733)
                lasted = min(800, 160 * (number + 1))
                over = 0x80 if number > 4 else 0
                put(struct.pack(">BBH", 5, over | 10, lasted), 101, began, number == 0)
                ticks = began + lasted
        put(content[at : at + 240], 8, ticks, at in (0, half))
        ticks += len(content[at : at + 240])
    return packets


async def test_sipp_calls_and_presses_a_key(daemon: str, tmp_path: Path) -> None:
    need("sipp")
    if os.geteuid() != 0:
        pytest.skip("sipp plays captures through a raw socket, which needs root")
    samples, _ = soundfile.read(speak(tmp_path, 8000), dtype="int16")
    content = alaw(samples[: len(samples) // 480 * 480])
    half = len(content) // 480 * 240
    recorded, port, sip = tmp_path / "call.pcap", free_port(), free_port()
    capture(recorded, spoken_with_a_digit(content))
    milliseconds = len(content) // 8 + 600
    (tmp_path / "answer.xml").write_text(ANSWER.format(port=port))
    (tmp_path / "call.xml").write_text(CALL.format(capture=recorded, length=milliseconds))
    with bridge(
        tmp_path, daemon, "rtp", "--listen", f"127.0.0.1:{port}", "--idle-seconds", 2
    ) as running:
        common = ("-i", "127.0.0.1", "-m", 1, "-nostdin", "-timeout", "60s")
        answer = ("sipp", "-sf", tmp_path / "answer.xml", "-p", sip, *common)
        call = ("sipp", f"127.0.0.1:{sip}", "-sf", tmp_path / "call.xml", *common)
        with programs([answer]):
            await asyncio.to_thread(
                run, *call, "-p", sip + 2, "-mp", free_port(), "-mi", "127.0.0.1"
            )
        (summary,) = await running.summaries(1)
    assert summary["labels"]["codec"] == "PCMA"
    channel = summary["summary"]["channels"][0]
    assert seconds(channel["gap_duration"]) == 0
    assert seconds(channel["audio_duration"]) == pytest.approx(len(content) / 8000 + 0.1, abs=1e-6)
    heard = [alaw_samples(content[:half]), np.zeros(800, "<i2"), alaw_samples(content[half:])]
    direct = tmp_path / "direct.wav"
    soundfile.write(direct, np.concatenate(heard), 8000)
    expected = (await judged(daemon, direct)).cumulative_score
    assert expected is not None
    score = channel["cumulative_score"]["spoof_probability"]
    assert score == pytest.approx(expected.spoof_probability, abs=0.02)
