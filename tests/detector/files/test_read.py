import shutil
from pathlib import Path

import pytest

from dfd.detector.files import read
from dfd.errors import UserError


def test_bundled_without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "bundled_folder", lambda: tmp_path)
    with pytest.raises(UserError, match=r"no bundled weights in .*: train a model"):
        read.read_checkpoint("bundled")


def test_bundled_folder_is_the_package_own() -> None:
    assert read.bundled_folder().name == "bundled"


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no model folder or file .*/nothing: name"):
        read.read_checkpoint(str(tmp_path / "nothing"))


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no config\.json: name a folder"):
        read.read_checkpoint(str(tmp_path))


def test_the_weights_of_a_folder_mean_the_folder(folder: Path) -> None:
    named = read.read_checkpoint(str(folder / "model.safetensors"))
    assert named.layout == "transformers"
    assert named.weights_sha256 == read.read_checkpoint(str(folder)).weights_sha256


def test_a_folder_with_one_checkpoint_means_it(two_stage: Path) -> None:
    found = read.read_checkpoint(str(two_stage.parent))
    assert (found.layout, found.card.name) == ("two-stage", two_stage.stem)


def test_a_folder_with_several_asks_for_one(two_stage: Path, tmp_path: Path) -> None:
    for name in ("stage1_best.pt", "stage2_best.pt"):
        shutil.copy(two_stage, tmp_path / name)
    with pytest.raises(UserError, match=r"name one of stage1_best\.pt, stage2_best\.pt"):
        read.read_checkpoint(str(tmp_path))
