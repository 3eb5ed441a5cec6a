"""Checkpoints that torch.save pickled, read without running anything that is in them.

torch's weights-only reader builds tensors and plain values and refuses every other name. A few
names stand in the books of training scripts that mean no harm (the best EER as a number of
numpy's, the options as a Namespace); those are read as empty stand-ins, since nothing but the
tensors is wanted.
"""

import contextlib
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dfd.detector.files.tensors import listed, opened
from dfd.errors import UserError

# how torch.save begins: a ZIP archive, and before 2020 a pickle of protocol 2
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80\x02"
_HARMLESS = (
    "_codecs.encode",
    "argparse.Namespace",
    "datetime.datetime",
    "numpy.bool",
    "numpy.bool_",
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{name}" for name in ("float32", "float64", "int32", "int64")),
    *(f"numpy.dtypes.{name}DType" for name in ("Bool", "Float32", "Float64", "Int32", "Int64")),
    *(
        f"numpy.{core}.multiarray.{name}"
        for core in ("core", "_core")
        for name in ("scalar", "_reconstruct")
    ),
    *(
        f"{module}.{kind}Path"
        for module in ("pathlib", "pathlib._local")
        for kind in ("Posix", "PurePosix", "PureWindows", "Windows")
    ),
    "types.SimpleNamespace",
)
# how the weights-only reader says that it was asked for a name or a call
_CODE = re.compile(r"Unsupported global|Trying to |not an allowed")
_STATE_KEYS = ("model_state_dict", "state_dict", "model", "model_state", "net", "network")


class _StandIn:
    """Takes the place of a harmless object; keeps nothing."""

    def __new__(cls, *_: Any) -> "_StandIn":
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None:
        """Ignores what the object was made of."""

    def __setstate__(self, _: Any) -> None:
        """Ignores its state."""

    def __hash__(self) -> int:
        return id(self)


def read_pickled(path: Path) -> Any:
    """Reads what torch.save wrote; tensors stay on the CPU, backed by the file.

    Raises:
        UserError: if the file is truncated, not a checkpoint, or asks for code to be run.
    """
    with opened(path) as file:
        start = file.read(4)
    if start != _ZIP and not start.startswith(_PICKLE):
        raise UserError(
            f"{path} is not a checkpoint: name a file that torch.save or safetensors wrote"
        )
    zipped = start == _ZIP
    if zipped:
        _check_archive(path)
    stand_ins: Any = [(_StandIn, name) for name in _HARMLESS]
    with torch.serialization.safe_globals(stand_ins):
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
        except Exception as error:  # of a damaged pickle anything may come
            names = _names(path, error, zipped=zipped)
            if isinstance(error, pickle.UnpicklingError) and names:
                raise _wants_code(path, names) from None
            raise _damaged(path, error) from None


def state_of(content: Any, path: Path) -> tuple[dict[str, Tensor], bool]:
    """The tensors of a checkpoint by name, and whether they lay inside a training checkpoint.

    Raises:
        UserError: if it holds no state dict, or one with other things than tensors.
    """
    wrapped = False
    if isinstance(content, Mapping):
        for key in _STATE_KEYS:
            if isinstance(content.get(key), Mapping):
                content, wrapped = content[key], True
                break
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"{path} holds no state dict: save model.state_dict() with torch.save")
    strange = [
        str(name)
        for name, value in content.items()
        if not (isinstance(name, str) and isinstance(value, Tensor))
    ]
    if len(strange) == len(content):
        raise UserError(
            f"{path} holds no state dict but {listed(strange)}: "
            "save model.state_dict() with torch.save"
        )
    if strange:
        raise UserError(f"{path} has {listed(strange)} left over, which is not a tensor")
    return dict(content), wrapped


def _check_archive(path: Path) -> None:
    """Refuses an archive that ends early, and programs of TorchScript, which are code."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, EOFError):
        raise UserError(f"{path} is truncated: copy it again") from None
    except Exception as error:  # of a damaged archive anything may come
        raise _damaged(path, error) from None
    if any(name.endswith("/constants.pkl") for name in names):
        raise _wants_code(path, ["a TorchScript program"])
    if not any(name.endswith("/data.pkl") for name in names):
        raise UserError(f"{path} is an archive, but not a checkpoint that torch.save wrote")


def _names(path: Path, error: Exception, *, zipped: bool) -> list[str]:
    """The names that a checkpoint wants to have called."""
    if zipped:
        with contextlib.suppress(Exception):  # it may be damaged besides
            found = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            if found:
                return sorted(found)
    said = str(error)
    match = re.search(r"GLOBAL (\S+)", said)
    if match:
        return [match[1]]
    return ["something that is not a tensor"] if _CODE.search(said) else []


def _damaged(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).strip().partition("\n")[0].split())[:200]
    said = _printable(reason) or type(error).__name__
    return UserError(f"{path} is truncated or damaged ({said}): copy it again")


def _printable(words: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in words)


def _wants_code(path: Path, names: list[str]) -> UserError:
    wanted = listed([_printable(name) for name in names])
    return UserError(
        f"{path} is a pickle with code ({wanted}), which is not run: where you trust it, "
        'save its tensors alone, as torch.save({"model_state_dict": model.state_dict()}, PATH)'
    )
