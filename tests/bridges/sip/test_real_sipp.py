"""sipp calls `dfd bridge sip`: SIPREC with loss, hold, late media, CANCEL and wrong offers."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from dfd.bridges.media.g711 import mulaw_samples
from tests.bridges.kit import heard, mulaw, voice
from tests.bridges.real import Bridge, bridge, need, run
from tests.bridges.rtp.test_server import free_port
from tests.bridges.sip import sipp
from tests.bridges.sip.kit import line, offer, payloads
from tests.clients.scripted import ScriptedServer
from tests.clients.scripted_scores import Script

ONE, TWO = mulaw(voice(2.0, seed=1)), mulaw(voice(2.0, seed=2))


@pytest.fixture
async def daemon() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(Script()) as server:
        yield server


@pytest.fixture
def voices(tmp_path: Path) -> Path:
    need("sipp")
    if os.geteuid() != 0:
        pytest.skip("sipp plays captures through a raw socket, which needs root")
    path = tmp_path / "voices.pcap"
    sipp.two_voices(path, payloads(ONE), payloads(TWO))
    return path


async def call(running: Bridge, file: Path, *words: object) -> None:
    """Runs one scenario, which must succeed."""
    await asyncio.to_thread(
        run,
        *("sipp", running.address, "-sf", file, "-i", "127.0.0.1", "-mi", "127.0.0.1"),
        *("-p", free_port(), "-mp", free_port(), "-m", 1, "-nostdin", "-timeout", "60s"),
        *words,
    )


def both(daemon: ScriptedServer, stream_id: str) -> np.ndarray:
    return np.frombuffer(heard(daemon, stream_id), "<i2").reshape(-1, 2)


def holds(track: np.ndarray, content: bytes) -> bool:
    """Returns whether a voice is on a track, complete and in order."""
    said = mulaw_samples(content)
    places = np.flatnonzero(track[: len(track) - 400] == said[0])
    return any(np.array_equal(track[at : at + len(said)], said) for at in places)


def listening(folder: Path, daemon: ScriptedServer) -> AbstractContextManager[Bridge]:
    """A bridge with a range of ports, so that a call's two lines get adjacent ones."""
    first = free_port() // 4 * 4
    ports = ("--media-ports", f"{first}-{first + 79}")
    return bridge(folder, daemon.address, "sip", "--listen", "127.0.0.1:0", *ports)


def words(running: Bridge) -> str:
    return running.log.read_text()


async def test_siprec_with_hold_and_resume(
    daemon: ScriptedServer, tmp_path: Path, voices: Path
) -> None:
    again = tmp_path / "again.pcap"
    sipp.two_voices(again, payloads(TWO), payloads(ONE), begins=300)
    file = sipp.scenario(
        tmp_path / "hold.xml",
        sipp.invite(),
        sipp.play(voices),
        sipp.pause(2400),
        sipp.invite(2, "inactive"),
        sipp.pause(1500),
        sipp.invite(3),
        sipp.play(again),
        sipp.pause(2400),
        sipp.bye(4),
    )
    with listening(tmp_path, daemon) as running:
        await call(running, file)
        (summary,) = await running.summaries(1)
    assert summary["labels"]["channel_0"] == "Ann <sip:ann@example.org>"
    tracks = both(daemon, summary["stream_id"])
    middle = len(tracks) // 2
    for channel, (before, after) in enumerate(((ONE, TWO), (TWO, ONE))):
        assert holds(tracks[:middle, channel], before)
        assert holds(tracks[middle:, channel], after)
    assert len(tracks) / 8000 > 5  # the time on hold is on the time line


async def test_lost_messages_do_not_lose_calls(
    daemon: ScriptedServer, tmp_path: Path, voices: Path
) -> None:
    steps = (sipp.invite(), sipp.play(voices), sipp.pause(2400), sipp.bye(2))
    file = sipp.scenario(tmp_path / "lossy.xml", *steps)
    with listening(tmp_path, daemon) as running:
        await call(running, file, "-lost", 20, "-m", 4, "-l", 4, "-r", 4)
        summaries = await running.summaries(4)
    for one in summaries:
        assert both(daemon, one["stream_id"]).any()


async def test_late_media_and_a_late_cancel(
    daemon: ScriptedServer, tmp_path: Path, voices: Path
) -> None:
    body, kind = sipp.described()
    branch = "z9hG4bKlate[call_number]"
    file = sipp.scenario(
        tmp_path / "late.xml",
        sipp.send("INVITE", 1, body, kind, more="Require: siprec", branch=branch),
        sipp.receive(200),
        sipp.send("CANCEL", 1, branch=branch),
        sipp.receive(200),
        sipp.send("ACK", 1),
        sipp.pause(3000),
        sipp.play(voices),
        sipp.pause(2400),
        sipp.bye(2),
    )
    with listening(tmp_path, daemon) as running:
        await call(running, file)
        (summary,) = await running.summaries(1)
    tracks = both(daemon, summary["stream_id"])
    assert holds(tracks[:, 0], ONE)
    assert holds(tracks[:, 1], TWO)


async def test_wrong_offers_are_refused_without_affecting_others(
    daemon: ScriptedServer, tmp_path: Path, voices: Path
) -> None:
    wrong = offer(line(4000, "18"))
    refused = sipp.send("INVITE", 1, wrong, "application/sdp") + sipp.receive(488)
    bad = sipp.scenario(tmp_path / "wrong.xml", refused + sipp.send("ACK", 1))
    good = sipp.scenario(tmp_path / "good.xml", sipp.invite(), sipp.pause(300), sipp.bye(2))
    with listening(tmp_path, daemon) as running:
        await asyncio.gather(call(running, bad, "-m", 5), call(running, good))
        assert len(re.findall("turned away", words(running))) == 5
        assert "call ended without any media" in words(running)
