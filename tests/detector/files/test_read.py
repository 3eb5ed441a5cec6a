import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from dfd.detector.files import read
from dfd.detector.files.bundled import WEIGHTS_SHA256, bundled_folder
from dfd.detector.files.tensors import digest
from dfd.detector.overrides import ModelOverrides
from dfd.errors import UserError


def test_bundled_without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "bundled_folder", lambda: tmp_path)
    with pytest.raises(UserError, match=r"no bundled weights in .*: train a model"):
        read.read_checkpoint("bundled")


def test_the_bundled_folder_belongs_to_the_package() -> None:
    assert bundled_folder().name == "bundled"


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


def test_a_folder_with_several_checkpoints_is_refused(two_stage: Path, tmp_path: Path) -> None:
    for name in ("stage1_best.pt", "stage2_best.pt"):
        shutil.copy(two_stage, tmp_path / name)
    with pytest.raises(UserError, match=r"name one of stage1_best\.pt, stage2_best\.pt"):
        read.read_checkpoint(str(tmp_path))


def tampered(folder: Path) -> Path:
    """A copy of the bundled folder with another first weight."""
    copy = Path(shutil.copytree(bundled_folder(), folder / "copy"))
    path = copy / "model.safetensors"
    tensors = load_file(path)
    name = sorted(tensors)[0]
    tensors[name] = tensors[name] + 0.25
    save_file(tensors, path, metadata={"format": "pt"})
    return copy


def test_the_recorded_digest_is_that_of_the_bundled_weights() -> None:
    found = digest(bundled_folder() / "model.safetensors")
    assert found == WEIGHTS_SHA256, "write this into detector/files/bundled.py"


def test_bundled_weights_that_were_changed_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tampered(tmp_path)
    monkeypatch.setattr(read, "bundled_folder", lambda: copy)
    with pytest.raises(UserError, match=r"is not the file that came with dfd: .*install dfd again"):
        read.read_checkpoint("bundled")


def test_other_weights_are_not_served_under_the_bundled_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = read.read_checkpoint(str(tampered(tmp_path)))
    assert (found.card.name, found.card.version) == ("copy", found.weights_sha256[:12])
    assert "is named bundled, but has other weights" in caplog.text
    bundled = read.read_checkpoint(str(bundled_folder()))
    assert bundled.card.name == "bundled"


def test_pooling_is_only_for_classifiers_of_transformers() -> None:
    with pytest.raises(UserError, match="leave out --pooling"):
        read.read_checkpoint("bundled", ModelOverrides(pooling="max"))
