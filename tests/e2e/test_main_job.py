"""The main use by its commands: recordings in, scores and alerts out."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.e2e.conftest import Daemon, run_dfd

pytestmark = pytest.mark.slow

Report = dict[str, Any]


def replay(daemon: Daemon, files: list[Path], *options: str) -> Report:
    done = run_dfd("replay", "--server", daemon.address, "--json", *options, *files)
    assert done.returncode == 0, done.stderr
    report: Report = json.loads(done.stdout.splitlines()[-1])["report"]
    return report


def scores(report: Report) -> dict[tuple[str, int], list[float]]:
    """Returns all probabilities of each channel of each file: windows, cumulative and mean."""
    return {
        (entry["file"], entry["channel"]): [
            *(w["window"]["spoof_probability"] for w in entry["windows"] if w["window"]),
            entry["cumulative_spoof_probability"],
            entry["mean_spoof_probability"],
        ]
        for entry in report["files"]
    }


def assert_same(first: dict[Any, list[float]], second: dict[Any, list[float]]) -> None:
    assert first.keys() == second.keys()
    for key, values in first.items():
        assert values == pytest.approx(second[key], abs=1e-3), key


def detected(files: list[Path]) -> dict[tuple[str, int], list[float]]:
    done = run_dfd("detect", "--json", *files)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        (line["file"], line["channel"]): [
            line["cumulative_spoof_probability"],
            line["spoof_probability"],
        ]
        for line in lines
    }


def test_scores_are_the_same_at_any_speed_and_without_a_daemon(
    daemon: Daemon, synthetic: list[Path]
) -> None:
    real_time = replay(daemon, synthetic, "--speed", "1", "--streams", "2", "--ramp-seconds", "0")
    fast = replay(daemon, synthetic, "--speed", "max", "--streams", "2")
    assert real_time["windows"]["scored"] >= 6
    assert real_time["windows"]["shed"] == fast["windows"]["shed"] == 0
    assert_same(scores(real_time), scores(fast))
    assert_same({key: s[-2:] for key, s in scores(fast).items()}, detected(synthetic))


def test_human_recordings_are_scored(daemon: Daemon, human: list[Path]) -> None:
    report = replay(daemon, human, "--speed", "max")
    assert all(entry["windows_scored"] >= 1 for entry in report["files"])
    assert_same({key: s[-2:] for key, s in scores(report).items()}, detected(human))


def test_twenty_recordings_of_the_corpus(daemon: Daemon, corpus: Path) -> None:
    with (corpus / "manifest.tsv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["split"] == "dev"]
    files = [
        corpus / row["file"]
        for label in ("bonafide", "spoof")
        for row in [row for row in rows if row["label"] == label][::40][:10]
    ]
    assert len(files) == 20
    real_time = replay(daemon, files, "--speed", "1", "--streams", "20")
    fast = replay(daemon, files, "--speed", "max", "--streams", "4")
    assert real_time["windows"]["shed"] == fast["windows"]["shed"] == 0
    assert_same(scores(real_time), scores(fast))
    assert_same({key: s[-2:] for key, s in scores(fast).items()}, detected(files))


def test_channels_of_a_recording_are_judged_separately(
    daemon: Daemon, synthetic: list[Path], tmp_path: Path
) -> None:
    samples, rate = soundfile.read(synthetic[0], dtype="int16")
    call = tmp_path / "call.wav"
    soundfile.write(call, np.stack([samples, np.zeros_like(samples)], axis=1), rate)
    report = replay(daemon, [call], "--speed", "max")
    speaking, silent = sorted(report["files"], key=lambda entry: entry["channel"])
    assert speaking["windows_scored"] >= 2
    assert (silent["windows_scored"], silent["verdict"]) == (0, "inconclusive")
    assert silent["inconclusive_reasons"] == ["TOO_LITTLE_SPEECH"]
    alone = scores(replay(daemon, [synthetic[0]], "--speed", "max"))
    assert_same({"one": scores(report)[str(call), 0]}, {"one": alone[str(synthetic[0]), 0]})


@pytest.mark.parametrize("subtype", ["ULAW", "ALAW", "FLOAT"])
def test_encodings_of_the_telephone(
    daemon: Daemon, synthetic: list[Path], tmp_path: Path, subtype: str
) -> None:
    samples, rate = soundfile.read(synthetic[0], dtype="float32")
    coded = tmp_path / "coded.wav"
    soundfile.write(coded, samples, rate, subtype=subtype)
    (entry,) = replay(daemon, [coded], "--speed", "max")["files"]
    assert entry["windows_scored"] >= 2


def test_an_alert_comes_when_the_threshold_is_crossed(
    daemon: Daemon, synthetic: list[Path]
) -> None:
    policy = ["--rolling-threshold", "1e-6", "--consecutive-windows", "2", "--fail-on-alert"]
    done = run_dfd("replay", "--server", daemon.address, "--speed", "1", *policy, synthetic[0])
    assert done.returncode == 1, done.stderr
    assert "ALERT synthetic-0.wav at 0:02: rolling score" in done.stdout


def test_windows_and_detector_of_a_stream_can_be_set(daemon: Daemon, synthetic: list[Path]) -> None:
    plain = replay(daemon, [synthetic[0]], "--speed", "max")
    (own,) = replay(
        daemon, [synthetic[0]], "--speed", "max", "--window-seconds", "2", "--hop-seconds", "0.5"
    )["files"]
    assert own["windows_scored"] > 2 * plain["files"][0]["windows_scored"]
    assert max(w["end_seconds"] - w["start_seconds"] for w in own["windows"]) == 2.0
    pytest.importorskip(
        "silero_vad", reason="silero-vad is not installed: pip install 'dfd[silero]'"
    )
    (silero,) = replay(daemon, [synthetic[0]], "--speed", "max", "--vad", "silero")["files"]
    assert silero["windows_scored"] >= 2
    assert silero["speech_seconds"] != plain["files"][0]["speech_seconds"]


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_replay_is_drawn(
    daemon: Daemon, synthetic: list[Path], tmp_path: Path, suffix: str
) -> None:
    picture = tmp_path / f"call.{suffix}"
    policy = ["--rolling-threshold", "1e-6", "--consecutive-windows", "1"]
    replay(daemon, synthetic, "--speed", "max", *policy, "--plot", str(picture))
    beginning = picture.read_bytes()[:200]
    assert beginning.startswith(b"\x89PNG" if suffix == "png" else b"<?xml")
    if suffix == "svg":
        assert "synthetic-1.wav" in picture.read_text() or "<use" in picture.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replay", "/nowhere/voice.wav"], "does not exist"),
        (["detect", "/nowhere/voice.wav"], "does not exist"),
        (["replay", "--server", "127.0.0.1:9", "FILE"], "no server answers"),
        (["info", "--server", "127.0.0.1:9"], "no server answers"),
        (["replay", "EMPTY"], "empty"),
        (["detect", "EMPTY"], "empty"),
        (["detect", "TEXT"], "not an audio file"),
        (["serve", "--model", "/nowhere"], "/nowhere"),
        (["serve", "--port", "70000"], "port"),
        (["serve", "--device", "cuda:7"], "cuda"),
    ],
)
def test_a_user_s_mistake_is_one_line(
    arguments: list[str], message: str, synthetic: list[Path], tmp_path: Path
) -> None:
    empty, text = tmp_path / "empty.wav", tmp_path / "text.wav"
    soundfile.write(empty, np.zeros(0, np.int16), 16_000)
    text.write_text("no audio")
    places = {"FILE": synthetic[0], "EMPTY": empty, "TEXT": text}
    done = run_dfd(*(places.get(argument, argument) for argument in arguments))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    complaints = [line for line in done.stderr.splitlines() if line.startswith("dfd ")]
    assert len(complaints) == 1
    assert message in complaints[0]
