import collections
import os
import pickle
import random
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from dfd.detector.files.pickled import read_pickled, state_of
from dfd.errors import UserError

ONE = {"a.weight": torch.ones(2, 3)}


class Code:
    """Writes a file if it is unpickled by an unsafe reader."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


class Settings:
    """A class of a training script."""


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_and_the_records_of_a_training_script(
    zipped: bool, two_stage: Path, tmp_path: Path
) -> None:
    path = tmp_path / "again.pt"
    content = torch.load(two_stage, weights_only=False)
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    read = read_pickled(path)
    assert read["epoch"] == 7
    state, wrapped = state_of(read, path)
    assert wrapped
    for name, value in content["model_state_dict"].items():
        torch.testing.assert_close(state[name], value)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_named_and_not_run(zipped: bool, tmp_path: Path) -> None:
    path, trace = tmp_path / "best.pt", tmp_path / "trace"
    content = {"model_state_dict": ONE, "config": Code(trace)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"is a pickle that contains code \(posix\.system\)"):
        read_pickled(path)
    assert not trace.exists()


def test_the_options_of_omegaconf_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("omegaconf.dictconfig")
    options = type("DictConfig", (), {"__module__": module.__name__})
    monkeypatch.setitem(sys.modules, "omegaconf", types.ModuleType("omegaconf"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(module, "DictConfig", options, raising=False)
    given = options()
    given.content = {"kind": int, "any": Any, "more": collections.defaultdict(dict)}
    path = tmp_path / "best.pt"
    torch.save({"model": ONE, "xp.cfg": given}, path)
    state, _ = state_of(read_pickled(path), path)
    torch.testing.assert_close(state, ONE)


@pytest.mark.parametrize("content", [torch.nn.Linear(2, 2), {"config": Settings()}])
def test_a_class_is_code_too(content: object, tmp_path: Path) -> None:
    path = tmp_path / "whole.pt"
    torch.save(content, path)
    with pytest.raises(UserError, match=r"contains code \(.*(Linear|Settings).*save only"):
        read_pickled(path)


def test_a_program_of_torchscript_is_code(tmp_path: Path) -> None:
    path = tmp_path / "scripted.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x/data.pkl", "x/constants.pkl", "x/code/__torch__.py"):
            archive.writestr(name, b"")
    with pytest.raises(UserError, match="a TorchScript program"):
        read_pickled(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("part", [0.01, 0.5, 0.98])
def test_a_truncated_file(part: float, zipped: bool, two_stage: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.pt"
    content = torch.load(two_stage, weights_only=False)
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(UserError, match=r"half\.pt is truncated.*copy it again"):
        read_pickled(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"best\.pt is missing"):
        read_pickled(tmp_path / "best.pt")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_pickled(tmp_path)


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVE", b"{}", pickle.dumps({}, protocol=5)])
def test_a_file_that_is_not_a_checkpoint(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "voice.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"voice\.pt is not a checkpoint: name a file"):
        read_pickled(path)


def test_another_archive(tmp_path: Path) -> None:
    path = tmp_path / "papers.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter.txt", "dear")
    with pytest.raises(UserError, match="an archive, but not a checkpoint"):
        read_pickled(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "has no state dict: save"),
        ({}, "has no state dict: save"),
        ({"epoch": 3, "loss": 0.5}, "has no state dict, only epoch, loss"),
        ({"model_state_dict": {}}, "has no state dict: save"),
        ({**ONE, "note": "hello"}, "contains note, which is not a tensor"),
    ],
)
def test_other_content(content: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        state_of(content, Path("best.pt"))


@pytest.mark.parametrize("zipped", [True, False])
def test_any_damage_is_one_sentence(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    content = {"model_state_dict": {"a.weight": torch.randn(8, 8)}, "epoch": 3}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    rng = random.Random(11)
    said = []
    for _ in range(300):
        damaged = bytearray(whole)
        if rng.random() < 0.3:
            del damaged[rng.randrange(5, len(damaged)) :]
        for _ in range(rng.randrange(1, 8)):
            damaged[rng.randrange(4, len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            read_pickled(path)
        except UserError as error:
            said.append(str(error))
    assert len(said) > 100
    assert all(one.isprintable() and str(path) in one for one in said)


@pytest.mark.parametrize(
    "content",
    [
        # an unknown operand, a missing storage, a version
        b"\x80\x02\x8d.",
        b"\x80\x02X\x02\x00\x00\x00ab\x94.",
        b"\x80\x02]q\x00(K\x01K\x02",
        b"\x80\x02ccollections\nOrder\x00Dict\n.",
        b"PK\x03\x04" + bytes(40),
    ],
)
def test_what_fuzzing_found(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_pickled(path)
    assert str(caught.value).isprintable()
