"""A recording marked by Perth's own package, through `dfd serve` and `dfd replay`."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from dfd.benchmarks.speech import speech
from dfd.clients.runs.local_daemon import DFD, local_daemon
from dfd.evaluation.telephone.conditions import condition_named
from tests import perth

pytest.importorskip("torch", reason="no daemon to start: pip install 'dfd[serve]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not perth.INSTALLED, reason=perth.REASON),
]
RATE = 16_000


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with local_daemon(["--watermarks", "perth"]) as address:
        yield address


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("marked")
    plain = speech(RATE, 6.0)
    marked = perth.marked(plain, RATE)
    through = condition_named("opus-24k")(marked, np.random.default_rng(0))
    made = {"plain": plain, "marked": marked, "opus": through}
    for name, samples in made.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE)
    return {name: folder / f"{name}.wav" for name in made}


def run(*words: object) -> list[dict[str, Any]]:
    done = subprocess.run([*DFD, *map(str, words)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["marked", "opus"])
def test_a_marked_recording_raises_an_alert_live(
    daemon: str, recordings: dict[str, Path], name: str
) -> None:
    lines = run("replay", "--json", "--speed", "max", "--server", daemon, recordings[name])
    alerts = [line["alert"] for line in lines if "alert" in line]
    (found,) = [one for one in alerts if one["trigger"] == "TRIGGER_WATERMARK"]
    assert found["watermark"]["scheme"] == "perth"
    assert found["watermark"]["confidence"] > 0.9
    (summary,) = [line["summary"] for line in lines if "summary" in line]
    assert [one["scheme"] for one in summary["channels"][0]["watermarks"]] == ["perth"]
    (entry,) = lines[-1]["report"]["files"]
    assert entry["watermarks"] == ["perth"]


def test_the_same_speech_without_the_mark_raises_no_alert(
    daemon: str, recordings: dict[str, Path]
) -> None:
    lines = run("replay", "--json", "--speed", "max", "--server", daemon, recordings["plain"])
    alerts = [line["alert"] for line in lines if "alert" in line]
    assert not [one for one in alerts if one["trigger"] == "TRIGGER_WATERMARK"]
    assert lines[-1]["report"]["files"][0]["watermarks"] == []


def test_the_server_lists_the_schemes_that_it_reads(daemon: str) -> None:
    command = [*DFD, "info", "--server", daemon]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "read for Perth" in done.stdout


def test_detect_finds_it_without_a_daemon(recordings: dict[str, Path]) -> None:
    marked, plain = run(
        "detect", "--json", "--watermarks=perth", recordings["marked"], recordings["plain"]
    )
    (found,) = marked["watermarks"]
    assert found["scheme"] == "perth"
    assert plain["watermarks"] == []
