"""Speech through AudioSocket and every WebSocket dialect, scored by the real daemon.

The peers are laid by hand after the published framing; what they play is synthesised.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from websockets.asyncio.client import connect

from dfd.bridges.audiosocket.messages import Frame, Kind
from dfd.bridges.audiosocket.server import AudioSocketServer
from dfd.bridges.calls import CallEvent
from dfd.bridges.media.g711 import mulaw_samples
from dfd.bridges.websocket.server import WebsocketOptions, WebsocketServer
from dfd.clients import events as ev
from dfd.clients.runs.local_daemon import local_daemon
from tests.bridges.kit import MemorySink, Samples, exchange_to, mulaw
from tests.bridges.real import judged, speak
from tests.bridges.websocket import test_twilio as tw
from tests.bridges.websocket.test_audiohook import Genesys
from tests.bridges.websocket.test_chan_websocket import PLAIN
from tests.bridges.websocket.test_forked import JAMBONZ
from tests.waiting import until

pytest.importorskip("torch", reason="no daemon to start: pip install 'dfd[serve]'")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def daemon() -> Iterator[str]:
    with local_daemon() as address:
        yield address


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Samples]:
    """Returns the same speech at the rates of telephony."""
    folder = tmp_path_factory.mktemp("speech")
    return {rate: soundfile.read(speak(folder, rate), dtype="int16")[0] for rate in (8000, 16000)}


async def compare(daemon: str, sink: MemorySink, samples: Samples, rate: int, path: Path) -> None:
    """Compares the bridge's summary with that of the same samples streamed directly, by track."""
    await until(lambda: sink.of(ev.Summary), seconds=60)
    (summary,) = sink.of(ev.Summary)
    assert isinstance(summary, ev.Summary)
    tracks = samples.reshape(len(samples), -1)
    assert len(summary.channels) == tracks.shape[1]
    for channel in summary.channels:
        soundfile.write(path, tracks[:, channel.channel], rate)
        direct = await judged(daemon, path)
        assert channel.audio_seconds == pytest.approx(direct.audio_seconds, abs=0.02)
        assert channel.gap_seconds == 0
        assert channel.cumulative_score is not None
        assert direct.cumulative_score is not None
        assert channel.cumulative_score.spoof_probability == pytest.approx(
            direct.cumulative_score.spoof_probability, abs=0.02
        )


@pytest.mark.parametrize(("kind", "rate"), [(0x10, 8000), (0x12, 16000)])
async def test_audiosocket(
    daemon: str, speech: dict[int, Samples], tmp_path: Path, kind: int, rate: int
) -> None:
    content = speech[rate].tobytes()
    async with exchange_to(daemon, drain_seconds=30.0) as (exchange, sink):
        server = AudioSocketServer(exchange)
        _, port = await server.start("127.0.0.1", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(Frame(Kind.UUID, uuid.uuid4().bytes).encode())
        for at in range(0, len(content), rate // 25):
            writer.write(Frame(kind, content[at : at + rate // 25]).encode())
        await writer.drain()
        writer.close()
        await compare(daemon, sink, speech[rate], rate, tmp_path / "direct.wav")
        await server.stop()


def two(samples: Samples) -> Samples:
    """Makes two legs: the speech, and the speech half as loud and a second later."""
    later = np.concatenate([np.zeros(8000, np.int16), samples[:-8000] // 2])
    return np.stack([samples, later], axis=1)


@contextlib.asynccontextmanager
async def peer(daemon: str, dialect: str) -> AsyncIterator[tuple[str, MemorySink]]:
    async with exchange_to(daemon, drain_seconds=30.0) as (exchange, sink):
        server = WebsocketServer(exchange, WebsocketOptions(dialect=dialect))
        _, port = await server.start()
        try:
            yield f"ws://127.0.0.1:{port}/?rate=16000&mix=stereo", sink
        finally:
            await server.stop()


@pytest.mark.parametrize(
    ("dialect", "first", "tracks"),
    [
        ("chan_websocket", PLAIN, 1),
        ("mod_audio_fork", '{"callid":"f1"}', 2),
        ("mod_audio_stream", '{"uuid":"s1"}', 2),
        ("jambonz", json.dumps(JAMBONZ), 2),
    ],
)
async def test_binary_dialects(
    daemon: str,
    speech: dict[int, Samples],
    tmp_path: Path,
    dialect: str,
    first: str,
    tracks: int,
) -> None:
    samples = speech[16000] if tracks == 1 else two(speech[16000])
    content = samples.tobytes()
    async with peer(daemon, dialect) as (url, sink):
        async with connect(url) as client:
            await client.send(first)
            for at in range(0, len(content), 640 * tracks):
                await client.send(content[at : at + 640 * tracks])
        await compare(daemon, sink, samples, 16000, tmp_path / "direct.wav")


async def test_twilio(daemon: str, speech: dict[int, Samples], tmp_path: Path) -> None:
    legs = [mulaw(one) for one in two(speech[8000]).T]
    async with peer(daemon, "twilio") as (url, sink):
        async with connect(url) as client:
            await client.send(tw.start())
            for at in range(0, len(legs[0]), 160):
                for track, leg in zip(("inbound", "outbound"), legs, strict=True):
                    await client.send(tw.media(leg[at : at + 160], at // 8, track))
            await client.send('{"event":"stop"}')
            await client.wait_closed()
        heard = np.stack([mulaw_samples(leg) for leg in legs], axis=1)
        await compare(daemon, sink, heard, 8000, tmp_path / "direct.wav")


async def test_audiohook(daemon: str, speech: dict[int, Samples], tmp_path: Path) -> None:
    legs = [np.frombuffer(mulaw(one), np.uint8) for one in two(speech[8000]).T]
    content = np.stack(legs, axis=1).tobytes()
    genesys, said = Genesys(), []

    def keep(message: str | bytes) -> list[CallEvent]:
        said.append(str(message))
        return []

    genesys.hook.receive = keep  # type: ignore[method-assign]
    genesys.open()
    genesys.say("close", reason="end")
    async with peer(daemon, "audiohook") as (url, sink):
        async with connect(url) as client:
            await client.send(said[0])
            await client.recv()
            for at in range(0, len(content), 3200):
                await client.send(content[at : at + 3200])
            await client.send(said[1])
            await client.wait_closed()
        heard = np.stack([mulaw_samples(leg.tobytes()) for leg in legs], axis=1)
        await compare(daemon, sink, heard, 8000, tmp_path / "direct.wav")
