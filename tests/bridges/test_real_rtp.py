"""RTP as ffmpeg and GStreamer send it, into `dfd bridge rtp` and the real daemon."""

import asyncio
import contextlib
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from dfd.bridges.media.g711 import mulaw_samples
from dfd.bridges.rtp.packets import RtpPacket, is_rtcp, parse
from dfd.clients.audio import AudioFormat, Encoding
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.runs.local_daemon import local_daemon
from tests.bridges.real import (
    bridge,
    judged,
    need_elements,
    need_encoder,
    programs,
    run,
    seconds,
    speak,
)
from tests.bridges.rtp.test_server import free_port
from tests.waiting import turns

pytest.importorskip("torch", reason="no daemon to start: pip install 'dfd[serve]'")

pytestmark = pytest.mark.slow

# name, payload type, ffmpeg's encoder, GStreamer's encoder and payload
CODECS: list[tuple[str, int, list[object], str, str]] = [
    ("PCMU", 0, ["-c:a", "pcm_mulaw", "-ar", 8000], "rate=8000 ! mulawenc", "pcmu"),
    ("PCMA", 8, ["-c:a", "pcm_alaw", "-ar", 8000], "rate=8000 ! alawenc", "pcma"),
    ("G722", 9, ["-c:a", "g722", "-ar", 16000], "rate=16000 ! avenc_g722", "g722"),
    ("L16", 96, ["-c:a", "pcm_s16be", "-ar", 16000], "rate=16000", "L16"),
    ("OPUS", 97, ["-c:a", "libopus", "-ar", 48000], "rate=48000 ! opusenc bitrate=32000", "opus"),
]
DECODERS = {"PCMU": "mulawdec", "PCMA": "alawdec", "G722": "avdec_g722", "OPUS": "opusdec"}
# In RTP every sample counts, in a file not the pre-skip of Opus (RFC 7587).
WHOLE = {"OPUS": ["-c:a", "libopus", "-flags2", "skip_manual"]}
PAYLOADS = ("--payload", "96=L16/16000", "--payload", "97=opus/48000/2")


@pytest.fixture(scope="module")
def daemon() -> Iterator[str]:
    with local_daemon() as address:
        yield address


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speak(tmp_path_factory.mktemp("speech"))


def by_codec(summaries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["labels"]["codec"]: one["summary"]["channels"][0] for one in summaries}


async def compare(daemon: str, channel: dict[str, Any], direct: Path) -> None:
    """Checks length and gaps, and compares scores with those of the same audio sent directly."""
    expected = await judged(daemon, direct)
    minutes = expected.audio_seconds / 60
    length = seconds(channel["audio_duration"])
    # the last packet may be padded
    assert length == pytest.approx(expected.audio_seconds, abs=0.04 + 0.02 * minutes)
    assert seconds(channel["gap_duration"]) == 0
    assert expected.cumulative_score is not None
    assert expected.mean_spoof_probability is not None
    score = channel["cumulative_score"]["spoof_probability"]
    assert score == pytest.approx(expected.cumulative_score.spoof_probability, abs=0.02)
    assert channel["mean_spoof_probability"] == pytest.approx(
        expected.mean_spoof_probability, abs=0.02
    )


async def test_every_codec_from_ffmpeg(daemon: str, speech: Path, tmp_path: Path) -> None:
    need_encoder("libopus")
    first = free_ports(len(CODECS))
    words = ("rtp", "--ports", f"{first}-{first + 2 * len(CODECS) - 1}", *PAYLOADS)
    with bridge(tmp_path, daemon, *words, "--idle-seconds", 20) as running:
        senders = [
            ["ffmpeg", "-v", "error", "-re", "-i", speech, "-ac", 1, *encoder,
             "-f", "rtp", "-payload_type", kind, "-rtpflags", "send_bye",
             f"rtp://127.0.0.1:{first + 2 * number}"]
            for number, (_, kind, encoder, _, _) in enumerate(CODECS)
        ]  # fmt: skip
        with programs(senders):
            channels = by_codec(await running.summaries(len(CODECS)))
    assert "RTCP goodbye" in running.log.read_text()
    for name, _, encoder, _, _ in CODECS:
        coded, direct = tmp_path / f"{name}.mka", tmp_path / f"{name}.wav"
        run("ffmpeg", "-v", "error", "-i", speech, "-ac", 1, *encoder, coded)
        decoder = WHOLE.get(name, [])
        run("ffmpeg", "-v", "error", *decoder, "-i", coded, "-c:a", "pcm_s16le", direct)
        await compare(daemon, channels[name], direct)


async def test_every_codec_from_gstreamer(daemon: str, speech: Path, tmp_path: Path) -> None:
    need_elements()
    first = free_ports(len(CODECS))
    words = ("rtp", "--ports", f"{first}-{first + 2 * len(CODECS) - 1}", *PAYLOADS)
    source = f"filesrc location={speech} ! wavparse ! audioconvert ! audioresample ! audio/x-raw,"
    with bridge(tmp_path, daemon, *words, "--idle-seconds", 2) as running:
        senders = [
            ["gst-launch-1.0", "-q", *f"{source}{coder} ! rtp{name}pay pt={kind}".split(),
             "!", "udpsink", "host=127.0.0.1", f"port={first + 2 * number}"]
            for number, (_, kind, _, coder, name) in enumerate(CODECS)
        ]  # fmt: skip
        with programs(senders):
            channels = by_codec(await running.summaries(len(CODECS)))
    for name, _, _, coder, packed in CODECS:
        direct = tmp_path / f"{name}.wav"
        there = f"{source}{coder} ! rtp{packed}pay ! rtp{packed}depay"
        decoder = f"! {DECODERS[name]}" if name in DECODERS else ""
        back = "audioconvert ! audio/x-raw,format=S16LE ! wavenc ! filesink"
        pipeline = f"{there} {decoder} ! {back}"
        run("gst-launch-1.0", "-q", *pipeline.split(), f"location={direct}")
        await compare(daemon, channels[name], direct)


async def test_a_session_description_written_by_ffmpeg(
    daemon: str, speech: Path, tmp_path: Path
) -> None:
    """The file that ffmpeg writes gives the address and the format."""
    need_encoder("libopus")
    port, description = free_port(), tmp_path / "call.sdp"
    sender = ["ffmpeg", "-v", "error", "-re", "-i", speech, "-t", 3, "-ac", 1, "-c:a", "libopus",
              "-ar", 48000, "-rtpflags", "send_bye", "-f", "rtp"]  # fmt: skip
    run(*sender[:4], "-i", speech, "-t", 0.1, *sender[8:], "-sdp_file", description,
        f"rtp://127.0.0.1:{port}")  # fmt: skip
    with bridge(tmp_path, daemon, "rtp", "--sdp", description) as running:
        assert running.address == f"127.0.0.1:{port}"
        with programs([[*sender, f"rtp://127.0.0.1:{port}"]]):
            (summary,) = await running.summaries(1)
    assert summary["labels"]["codec"] == "OPUS"
    assert summary["labels"]["session"]
    assert seconds(summary["summary"]["channels"][0]["audio_duration"]) == pytest.approx(
        3, abs=0.06
    )


class Network(asyncio.DatagramProtocol):
    """A bad network between ffmpeg and the bridge: loss, jitter, reordering, duplicates.

    Attributes:
        passed: what got through, in the order of the sender.
    """

    def __init__(self, target: int, seed: int) -> None:
        self.target = ("127.0.0.1", target)
        self.draw = random.Random(seed)
        self.passed: dict[int, RtpPacket] = {}
        self.dropped = 0
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        assert self.transport is not None
        if is_rtcp(data):
            return
        packet = parse(data)
        if self.passed and self.draw.random() < 0.15:
            self.dropped += 1
            return
        self.passed[packet.sequence] = packet
        loop = asyncio.get_running_loop()
        for _ in range(2 if self.draw.random() < 0.03 else 1):
            loop.call_later(self.draw.uniform(0, 0.08), self.transport.sendto, data, self.target)


async def test_a_bad_network(daemon: str, speech: Path, tmp_path: Path) -> None:
    """The time line is exact to the sample, each loss is a gap of its length, and scores match."""
    loop = asyncio.get_running_loop()
    port = free_port()
    words = ("rtp", "--listen", f"127.0.0.1:{port}", "--idle-seconds", 2)
    with bridge(tmp_path, daemon, *words) as running:
        transport, network = await loop.create_datagram_endpoint(
            lambda: Network(port, seed=3), local_addr=("127.0.0.1", 0)
        )
        _, relay = transport.get_extra_info("sockname")
        sender = ["ffmpeg", "-v", "error", "-re", "-i", speech, "-ac", 1, "-ar", 8000,
                  "-c:a", "pcm_mulaw", "-f", "rtp", f"rtp://127.0.0.1:{relay}"]  # fmt: skip
        with contextlib.closing(transport), programs([sender]):
            (summary,) = await running.summaries(1)
        await turns()  # the transport closes
    assert network.dropped > 5
    channel = summary["summary"]["channels"][0]
    packets = sorted(network.passed.values(), key=lambda one: one.timestamp)
    begin = packets[0].timestamp
    end = packets[-1].timestamp + len(packets[-1].payload)
    gap = (end - begin - sum(len(one.payload) for one in packets)) / 8000
    assert seconds(channel["audio_duration"]) == pytest.approx((end - begin) / 8000, abs=1e-6)
    assert seconds(channel["gap_duration"]) == pytest.approx(gap, abs=1e-6)
    async with AsyncDetectionClient(daemon) as client:
        stream = client.stream(AudioFormat(Encoding.LINEAR16, 8000), live=False)
        async with stream:
            for one in packets:
                await stream.send(mulaw_samples(one.payload).tobytes(), one.timestamp - begin)
            await stream.finish()
            direct: Any = [event async for event in stream][-1]
    expected = direct.channels[0].cumulative_score.spoof_probability
    assert channel["cumulative_score"]["spoof_probability"] == pytest.approx(expected, abs=0.02)


def free_ports(count: int) -> int:
    """Returns the first of several even ports that are free together with the odd ones between."""
    while True:
        first = free_port()
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + 2 * count):
                    one = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    one.bind(("127.0.0.1", port))
            except (OSError, OverflowError):
                continue
        return first
