from pathlib import Path

import pytest

from dfd.detector import checkpoint
from dfd.detector.errors import DetectorError


def test_bundled_without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "bundled_folder", lambda: tmp_path)
    with pytest.raises(DetectorError, match=r"no bundled weights in .*: train a model"):
        checkpoint.read_checkpoint("bundled")


def test_bundled_folder_is_the_package_own() -> None:
    assert checkpoint.bundled_folder().name == "bundled"


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match=r"there is no model folder .*/nothing: name an"):
        checkpoint.read_checkpoint(str(tmp_path / "nothing"))


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(b"x")
    with pytest.raises(DetectorError, match=r"best\.pt is a file: name a folder"):
        checkpoint.read_checkpoint(str(path))


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match=r"has no config\.json: name a folder"):
        checkpoint.read_checkpoint(str(tmp_path))


def test_digest(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert checkpoint.digest(path).startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")
