"""Checkpoints that `torch.save` pickled, read without running any code in them.

torch's weights-only reader builds tensors and plain values and refuses every other name. Training
scripts also store some harmless objects (the best EER as a numpy number, the options as a
Namespace); these are read as empty stand-ins, since only the tensors are needed.
"""

import contextlib
import logging
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

# the first bytes of what torch.save writes: a ZIP archive, or before 2020 a pickle of protocol 2
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80\x02"
_HARMLESS = (
    "_codecs.encode",
    "argparse.Namespace",
    *(f"builtins.{kind}" for kind in ("bool", "dict", "float", "int", "list", "str")),
    "collections.defaultdict",
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
    *(f"omegaconf.base.{name}" for name in ("ContainerMetadata", "Metadata")),
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    *(
        f"omegaconf.nodes.{kind}Node"
        for kind in ("Any", "Boolean", "Enum", "Float", "Integer", "Path", "String")
    ),
    *(
        f"{module}.{kind}Path"
        for module in ("pathlib", "pathlib._local")
        for kind in ("Posix", "PurePosix", "PureWindows", "Windows")
    ),
    "types.SimpleNamespace",
    "typing.Any",
)
# how the weights-only reader reports a name or a call that it refuses
_CODE = re.compile(r"Unsupported global|Trying to |not an allowed")
_STATE_KEYS = ("model_state_dict", "state_dict", "model", "model_state", "net", "network")

_LOGGER = logging.getLogger("dfd.detector")


class _StandIn:
    """Takes the place of a harmless object and discards its contents."""

    def __new__(cls, *_: Any) -> "_StandIn":
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None:
        """Ignores the object's arguments."""

    def __setstate__(self, _: Any) -> None:
        """Ignores its state."""

    def __hash__(self) -> int:
        return id(self)


def read_pickled(path: Path) -> Any:
    """Reads a file written by `torch.save`; its tensors are on the CPU, mapped from the file.

    Raises:
        UserError: if the file is truncated, not a checkpoint, or contains code.
    """
    with opened(path) as file:
        start = file.read(4)
    if start != _ZIP and not start.startswith(_PICKLE):
        raise UserError(
            f"{path} is not a checkpoint: name a file written by torch.save or safetensors"
        )
    zipped = start == _ZIP
    if zipped:
        _check_archive(path)
    stand_ins: Any = [(_StandIn, name) for name in _HARMLESS]
    with torch.serialization.safe_globals(stand_ins):
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
        except Exception as error:  # a damaged pickle can raise anything
            names = _names(path, error, zipped=zipped)
            if isinstance(error, pickle.UnpicklingError) and names:
                raise _wants_code(path, names) from None
            raise _damaged(path, error) from None


def state_of(content: Any, path: Path) -> tuple[dict[str, Tensor], bool]:
    """Returns the tensors of a checkpoint by name, and whether a training checkpoint held them.

    What else a training checkpoint holds (the optimiser, averaged copies) is ignored and logged.

    Raises:
        UserError: if it has no state dict, or one that contains anything but tensors.
    """
    wrapped = False
    if isinstance(content, Mapping):
        for key in _STATE_KEYS:
            if isinstance(content.get(key), Mapping):
                others = [str(name) for name in content if name != key]
                if others:
                    _LOGGER.info("%s: %s next to %s ignored", path, listed(others), key)
                content, wrapped = content[key], True
                break
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"{path} has no state dict: save model.state_dict() with torch.save")
    strange = [
        str(name)
        for name, value in content.items()
        if not (isinstance(name, str) and isinstance(value, Tensor))
    ]
    if len(strange) == len(content):
        raise UserError(
            f"{path} has no state dict, only {listed(strange)}: "
            "save model.state_dict() with torch.save"
        )
    if strange:
        raise UserError(
            f"{path} contains {listed(strange)}, which is not a tensor: "
            "save model.state_dict() alone"
        )
    return dict(content), wrapped


def _check_archive(path: Path) -> None:
    """Refuses a truncated archive, and TorchScript programs, which are code."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, EOFError):
        raise UserError(f"{path} is truncated: copy it again") from None
    except Exception as error:  # a damaged archive can raise anything
        raise _damaged(path, error) from None
    if any(name.endswith("/constants.pkl") for name in names):
        raise _wants_code(path, ["a TorchScript program"])
    if not any(name.endswith("/data.pkl") for name in names):
        raise UserError(
            f"{path} is an archive, but not a checkpoint: name a file written by torch.save or "
            "safetensors"
        )


def _names(path: Path, error: Exception, *, zipped: bool) -> list[str]:
    """Returns the names of the code that a checkpoint contains."""
    if zipped:
        with contextlib.suppress(Exception):  # it may be damaged as well
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
        f"{path} is a pickle that contains code ({wanted}), which is not run: if you trust it, "
        'save only its tensors, as torch.save({"model_state_dict": model.state_dict()}, PATH)'
    )
