import builtins
from pathlib import Path
from typing import Any

import pytest

from dfd.errors import UserError
from dfd.training.run.tracking import Tracker, open_tracker

pytestmark = pytest.mark.slow


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events: Any = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_curves_for_tensorboard_continue_in_the_same_folder(tmp_path: Path) -> None:
    for clips, value in ((16, 0.5), (32, 0.25)):
        with open_tracker(tmp_path) as tracker:
            tracker.add({"dev/eer": value}, clips)
    assert scalars(tmp_path / "tensorboard", "dev/eer") == [(16, 0.5), (32, 0.25)]


def test_without_trackers_nothing_is_written(tmp_path: Path) -> None:
    with open_tracker(tmp_path, tensorboard=False) as tracker:
        tracker.add({"a": 1.0}, 1)
    assert list(tmp_path.iterdir()) == []
    Tracker().add({"a": 1.0}, 1)


def test_a_missing_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "wandb":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UserError, match=r"pip install 'dfd\[wandb\]'"):
        open_tracker(tmp_path, wandb_project="mine")


def test_weights_and_biases_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed: pip install 'dfd[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for resume in (False, True):
        with open_tracker(
            tmp_path, tensorboard=False, wandb_project="mine", name="run", resume=resume
        ) as tracker:
            tracker.add({"dev/eer": 0.5}, 16)
    logs = list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert logs
    assert all(b"dev/eer" in log.read_bytes() for log in logs)
    # a resumed run is the same one
    assert {log.stem for log in logs} == {f"run-{(tmp_path / 'wandb-run-id').read_text()}"}
