"""A stream whose daemon is killed continues at the next one with all its evidence."""

import asyncio
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import soundfile

from dfd.clients import AsyncDetectionClient, AudioFormat, events
from dfd.clients.options import StreamOptions
from tests.chaos.daemon import Daemon

E = TypeVar("E")

SENTENCE = "Please confirm the transfer of the whole amount to the new account before noon. "


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, AudioFormat]:
    """Makes ten seconds of synthetic speech, followed by near silence."""
    pytest.importorskip("torch", reason="no daemon to start: pip install 'dfd[serve]'")
    if shutil.which("espeak-ng") is None:
        pytest.skip("nothing to speak with: apt-get install espeak-ng")
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", path, SENTENCE * 4], check=True)
    samples, rate = soundfile.read(path, dtype="int16")
    hiss = np.random.default_rng(0).normal(0.0, 3.0, 8 * rate).astype(np.int16)
    whole = np.concatenate([samples[: 10 * rate], hiss])
    return whole.tobytes(), AudioFormat(sample_rate_hz=rate)


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["one process", "two workers"])
async def test_evidence_survives_a_killed_daemon(
    call: tuple[bytes, AudioFormat], more: tuple[str, ...], tmp_path: Path
) -> None:
    """Score, alerts and summary are those of an unbroken call."""
    content, audio = call
    tenth = audio.bytes_per_frame * (audio.sample_rate_hz // 10)
    chunks = [content[at : at + tenth] for at in range(0, len(content), tenth)]
    told: list[events.Event] = []
    journal = tmp_path / "journal.db"
    options = ("--journal", str(journal), *more)
    with Daemon(*options, model="bundled") as first:
        async with AsyncDetectionClient(first.address) as client:
            expected = [e async for e in client.stream_events(chunks, audio)]
            async with client.stream(
                audio, options=StreamOptions(stream_id="call-7"), buffer_seconds=60
            ) as stream:
                reading = aiter(stream)
                for chunk in chunks[:101]:
                    await stream.send(chunk)
                while True:
                    told.append(heard := await anext(reading))
                    if isinstance(heard, events.WindowResult) and heard.end_seconds >= 8.0:
                        break
                kill(first)
                with Daemon(*options, "--port", str(first.port), model="bundled"):
                    await stream.send_all(chunks[101:])
                    async with asyncio.timeout(60):
                        told += [event async for event in reading]
    assert isinstance(heard, events.WindowResult)
    assert heard.cumulative_score is not None
    assert heard.cumulative_score.spoof_probability > 0.8
    (again,) = of(told, events.Reconnected)
    assert again.resumed
    assert again.lost_seconds == 0.0
    assert not of(told, events.StreamWarning)
    assert stands(of(told, events.Alert)) == stands(of(expected, events.Alert))
    windows, whole = of(told, events.WindowResult), of(expected, events.WindowResult)
    assert [w.sequence for w in windows] == [w.sequence for w in whole]
    for one, other in zip(windows, whole, strict=True):
        assert (one.start_seconds, one.status) == (other.start_seconds, other.status)
        for mine, theirs in (
            (one.window_score, other.window_score),
            (one.cumulative_score, other.cumulative_score),
        ):
            assert (mine is None) is (theirs is None)
            if mine is not None and theirs is not None:
                assert mine.spoof_probability == pytest.approx(theirs.spoof_probability, abs=0.01)
    end, sum_of_all = told[-1], expected[-1]
    assert isinstance(end, events.Summary)
    assert isinstance(sum_of_all, events.Summary)
    found, wanted = end.channels[0], sum_of_all.channels[0]
    for name in (
        *("verdict", "inconclusive_reasons", "windows_scored", "windows_insufficient_speech"),
        *("audio_seconds", "gap_seconds", "first_alert_seconds"),
    ):
        assert getattr(found, name) == getattr(wanted, name), name
    assert found.gap_seconds == 0.0
    rows = history(journal)
    assert [row["end"] for row in rows if row["stream_id"] == "call-7"] == ["client_done", "moved"]


def kill(daemon: Daemon) -> None:
    """Kills it with all its processes, as the kernel does when memory runs out."""
    import psutil

    whole = [daemon.process.pid, *(p.pid for p in psutil.Process(daemon.process.pid).children())]
    for pid in whole:
        psutil.Process(pid).send_signal(signal.SIGKILL)
    daemon.process.wait()
    psutil.wait_procs([psutil.Process(pid) for pid in whole[1:] if psutil.pid_exists(pid)], 20)


def of(told: list[events.Event], kind: type[E]) -> list[E]:
    return [event for event in told if isinstance(event, kind)]


def stands(alerts: list[events.Alert]) -> list[tuple[events.Trigger, bool, float]]:
    return [(alert.trigger, alert.cleared, alert.offset_seconds) for alert in alerts]


def history(journal: Path) -> list[dict[str, object]]:
    import sqlite3

    with sqlite3.connect(journal) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute("SELECT * FROM dfd_calls ORDER BY started_at DESC")
        return [dict(row) for row in found]
