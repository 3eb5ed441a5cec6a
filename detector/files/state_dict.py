"""Reads files of tensors without a configuration, as training scripts save them."""

from pathlib import Path

from torch import Tensor

from dfd.detector.files import layouts
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.folder_files import INDEX, WEIGHTS, parts_of
from dfd.detector.files.layouts.leftovers import without_leftovers
from dfd.detector.files.layouts.state import StateDict
from dfd.detector.files.pickled import read_pickled, state_of
from dfd.detector.files.tensors import read_safetensors
from dfd.detector.overrides import ModelOverrides


def read(path: Path, overrides: ModelOverrides | None = None) -> Checkpoint:
    """Reads a file written by `torch.save` or safetensors.

    Raises:
        UserError: if it is truncated or not a checkpoint, contains code, has tensors left over or
            missing, or does not say which output is spoof.
    """
    if path.suffix == ".safetensors":
        tensors, wrapped = read_safetensors(path), False
    else:
        tensors, wrapped = state_of(read_pickled(path), path)
    return _read(StateDict(path, without_leftovers(tensors, path), wrapped), overrides)


def read_parts(folder: Path, overrides: ModelOverrides | None = None) -> Checkpoint:
    """Reads the safetensors parts that an index in a folder lists, as if they were one file.

    Raises:
        UserError: as for `read`, or if a part is missing.
    """
    parts = tuple(folder / name for name in parts_of(folder / INDEX))
    tensors: dict[str, Tensor] = {}
    for part in parts:
        tensors |= read_safetensors(part)
    whole = folder / WEIGHTS
    return _read(StateDict(whole, without_leftovers(tensors, whole), False, parts), overrides)


def _read(state: StateDict, overrides: ModelOverrides | None) -> Checkpoint:
    return layouts.read(state, overrides or ModelOverrides())
