"""Reference systems A, B and C through the real daemon, compared with their authors' code.

The checkpoints are tiny and have random weights; tests/detector/test_true_sizes.py has the
true sizes.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from tests.detector.authors import (
    HOP,
    SMALL,
    SMALL_CLASSIFIER,
    WINDOW,
    Samples,
    TopFour,
    TwoStage,
    save_small_top_four,
    save_small_two_stage,
    save_transformers,
    transformers_utterance,
)
from tests.e2e.conftest import DFD, run_dfd

pytestmark = pytest.mark.slow

RATE = 16_000
# shorter than a window, exactly one window, and with a remainder that is in no full window
SECONDS = (1.7, 4.0, 9.3)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Samples]:
    """Makes noise of changing loudness with silence in it; every window is scored."""
    folder = tmp_path_factory.mktemp("recordings")
    generator = np.random.default_rng(11)
    made: dict[Path, Samples] = {}
    for seconds in SECONDS:
        count = round(seconds * RATE)
        loudness = np.repeat(generator.uniform(0.0, 0.5, count // 4_000 + 1), 4_000)[:count]
        samples = loudness * generator.standard_normal(count)
        samples[-RATE:] = 0.0
        pcm = np.clip(np.round(samples * 8_000), -32_768, 32_767).astype(np.int16)
        path = folder / f"{seconds}.wav"
        soundfile.write(path, pcm, RATE)
        made[path] = (pcm / 32_768.0).astype(np.float32)
    return made


@contextmanager
def served(model: Path | str, *options: str, **environment: str) -> Iterator[str]:
    """Starts a daemon with a model; yields its address."""
    words = ["--port", "0", "--no-metrics", "--device", "cpu", "--precision", "fp32"]
    words += ["--max-batch-size", "2", "--log-level", "warning"]
    process = subprocess.Popen(
        [DFD, "serve", "--model", str(model), *words, *options],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()
        assert ready.startswith("dfd ready on "), f"{ready!r}, status {process.poll()}"
        yield ready.split()[3]
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(60)


def replayed(address: str, paths: list[Path]) -> dict[Path, dict[str, Any]]:
    """Returns the daemon's result for each recording."""
    done = run_dfd("replay", "--server", address, "--speed", "max", "--json", *paths)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])["report"]
    return {Path(entry["file"]): entry for entry in report["files"]}


def window_scores(entry: dict[str, Any]) -> list[float]:
    return [
        window["window"]["spoof_probability"]
        for window in entry["windows"]
        if window["window"] and not window["provisional"]
    ]


def facts(address: str) -> dict[str, Any]:
    done = run_dfd("info", "--server", address, "--json")
    assert done.returncode == 0, done.stderr
    offered: dict[str, Any] = json.loads(done.stdout)
    model: dict[str, Any] = offered["models"][0]
    return model | {"alerts_at": offered["default_alert_policy"]["cumulative_threshold"]}


def filled(model: Any, path: Path) -> Any:
    content = torch.load(path, weights_only=False)
    model.load_state_dict(content.get("model_state_dict", content))
    return model.eval()


def test_system_a_is_the_mean_of_its_windows(
    recordings: dict[Path, Samples], tmp_path: Path
) -> None:
    checkpoint = save_small_two_stage(tmp_path)
    with served(checkpoint) as address:
        said, model = replayed(address, list(recordings)), facts(address)
    authors = filled(TwoStage(**SMALL), checkpoint)
    for path, samples in recordings.items():
        entry, expected = said[path], authors.windows(samples)
        assert window_scores(entry) == pytest.approx(expected, abs=1e-4)
        assert entry["mean_spoof_probability"] == pytest.approx(np.mean(expected), abs=1e-4)
        assert entry["cumulative_spoof_probability"] == pytest.approx(np.mean(expected), abs=1e-4)
    assert len(window_scores(said[list(recordings)[-1]])) == 1 + -(-(93 * 1_600 - WINDOW) // HOP)
    assert (model["layout"], model["utterance_score"]) == ("two-stage", "mean")
    assert (model["window_duration"], model["hop_duration"]) == ("4s", "2s")
    assert model["padding"] == "zero"
    assert (model["normalize"], model["spoof_label"], model["alerts_at"]) == (False, "1", 0.5)
    assert model["min_speech_duration"] == "0s"


def test_system_c_is_its_first_four_seconds(
    recordings: dict[Path, Samples], tmp_path: Path
) -> None:
    checkpoint = save_small_top_four(tmp_path)
    with served(checkpoint) as address:
        said, model = replayed(address, list(recordings)), facts(address)
    authors = filled(TopFour(inner=12, **SMALL), checkpoint)
    for path, samples in recordings.items():
        expected = authors.utterance(samples)
        assert said[path]["cumulative_spoof_probability"] == pytest.approx(expected, abs=1e-4)
        assert window_scores(said[path])[0] == pytest.approx(expected, abs=1e-4)
    assert (model["layout"], model["utterance_score"]) == ("top4-mlp", "first")


@pytest.mark.parametrize("norm", ["layer", "group"])
def test_system_b_is_the_whole_clip(
    norm: str, recordings: dict[Path, Samples], tmp_path: Path
) -> None:
    labels = {"id2label": {0: "fake", 1: "real"}, "label2id": {"fake": 0, "real": 1}}
    sizes = SMALL_CLASSIFIER | labels | {"feat_extract_norm": norm, "conv_bias": norm == "layer"}
    folder = save_transformers(tmp_path / "model", **sizes)
    with served(folder) as address:
        said, model = replayed(address, list(recordings)), facts(address)
    for path, samples in recordings.items():
        expected = transformers_utterance(folder, samples, spoof=0)
        assert said[path]["cumulative_spoof_probability"] == pytest.approx(expected, abs=1e-4)
        assert said[path]["mean_spoof_probability"] == pytest.approx(expected, abs=1e-4)
    assert (model["layout"], model["spoof_label"]) == ("transformers", "0 (fake)")
    assert (model["window_duration"], model["normalize"], model["padding"]) == ("13s", True, "mask")


def test_a_hub_id_is_served_from_the_cache_without_a_network(
    recordings: dict[Path, Samples], tmp_path: Path
) -> None:
    commit = "c" * 40
    place = tmp_path / "home" / "hub" / "models--org--detector"
    folder = save_transformers(place / "snapshots" / commit, **SMALL_CLASSIFIER)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)
    (path, samples), *_ = recordings.items()
    home = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    with served("org/detector", "--window-seconds", "4", **home) as address:
        said, model = replayed(address, [path]), facts(address)
    assert (model["name"], model["window_duration"]) == ("org/detector", "4s")
    expected = transformers_utterance(folder, samples)
    assert said[path]["cumulative_spoof_probability"] == pytest.approx(expected, abs=1e-4)


def test_detect_and_info_take_the_same_models(
    recordings: dict[Path, Samples], tmp_path: Path
) -> None:
    checkpoint = save_small_top_four(tmp_path)
    done = run_dfd("detect", "--json", "--precision", "fp32", "--model", checkpoint, *recordings)
    assert done.returncode == 0, done.stderr
    authors = filled(TopFour(inner=12, **SMALL), checkpoint)
    for line, samples in zip(done.stdout.splitlines(), recordings.values(), strict=True):
        assert json.loads(line)["spoof_probability"] == pytest.approx(
            authors.utterance(samples), abs=1e-4
        )
    shown = run_dfd("info", "--model", checkpoint, "--alert-threshold", "0.7")
    assert shown.returncode == 0, shown.stderr
    assert 'backbone under the prefix "ssl."' in shown.stderr
    for words in ("top4-mlp", "4 s every 2 s", "output 1", "cumulative P 0.70"):
        assert words in shown.stdout


@pytest.mark.parametrize("verb", ["serve", "detect", "info"])
def test_a_checkpoint_that_cannot_be_used_is_one_line(
    verb: str, recordings: dict[Path, Samples], tmp_path: Path
) -> None:
    path = tmp_path / "best.pt"
    torch.save({"fc.weight": torch.ones(2, 3)}, path)
    files = list(recordings)[:1] if verb == "detect" else []
    done = run_dfd(verb, "--model", path, *files)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    complaints = [
        line
        for line in done.stderr.splitlines()
        if line.startswith(f"dfd {verb}: ") and not line.endswith(" s so far")
    ]
    assert len(complaints) == 1
    assert "best.pt has no layout that can be read" in complaints[0]
