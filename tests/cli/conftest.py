"""A tiny model with random weights, and daemons that serve it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.serving import RATE, Daemon, Start
from tests.offline.loudness import LoudnessDetector


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the transformers format, windows of half a second."""
    from tests.detector.authors import SMALL_CLASSIFIER, save_transformers

    folder = tmp_path_factory.mktemp("model")
    sizes: dict[str, Any] = SMALL_CLASSIFIER | {
        "feat_extract_norm": "layer",
        "conv_bias": True,
        "do_stable_layer_norm": True,
    }
    save_transformers(folder, **sizes)
    card = {"window_samples": 2 * RATE, "hop_samples": RATE}
    (folder / "dfd.json").write_text(json.dumps(card))
    return folder


@pytest.fixture
def start(model: Path) -> Iterator[Start]:
    running: list[Daemon] = []

    def begin(*arguments: str, models: tuple[Path, ...] = (model,), **more: Any) -> Daemon:
        named = [word for one in models for word in ("--model", str(one))]
        running.append(Daemon(*named, *arguments, **more))
        return running[-1]

    yield begin
    for daemon in running:
        if daemon.process.poll() is None:
            daemon.process.kill()
        daemon.wait()
        assert daemon.process.stdout is not None
        assert daemon.process.stderr is not None
        daemon.process.stdout.close()
        daemon.process.stderr.close()


@pytest.fixture
def loudness(monkeypatch: pytest.MonkeyPatch) -> LoudnessDetector:
    """A detector by loudness, which replaces the one that a command would load."""
    detector = LoudnessDetector(min_speech_seconds=0.5)
    monkeypatch.setattr("dfd.detector.load_detector", lambda model, **options: detector)
    return detector
