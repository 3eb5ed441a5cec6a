"""Reads the tensors of a checkpoint safely, and matches them with those that a network expects."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dfd.errors import UserError

_NAMED_AT_MOST = 3
_PIECE_BYTES = 1 << 20


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Reads a safetensors file.

    Raises:
        UserError: if it is missing, truncated or not a safetensors file.
    """
    try:
        return load_file(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: copy the whole folder") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path} is truncated or not a safetensors file ({error}): copy it again"
        ) from None


def match_tensors(
    tensors: Mapping[str, Tensor],
    shapes: Mapping[str, torch.Size],
    path: Path,
    *,
    unused: Iterable[str],
    source: str,
) -> dict[str, Tensor]:
    """Returns the expected tensors as float32, and checks that none is missing or left over.

    Args:
        tensors: tensors of the file, by name.
        shapes: shape of each expected tensor.
        path: path of the file, for messages.
        unused: names that may occur and are not needed.
        source: where the expected shapes come from, for messages: "the config.json next to it".

    Raises:
        UserError: if they do not match; it names the first few that are missing, left over, of
            another shape, or not finite.
    """
    known = shapes.keys() | set(unused)
    missing = [name for name in shapes if name not in tensors]
    leftover = [name for name in tensors if name not in known]
    if missing or leftover:
        said = [f"lacks {listed(missing)}"] if missing else []
        said += [f"has {listed(leftover)} left over"] if leftover else []
        raise UserError(f"{path} {' and '.join(said)}: it does not match {source}")
    for name, shape in shapes.items():
        if tensors[name].shape != shape:
            raise UserError(
                f"{path}: {name} has the shape {list(tensors[name].shape)}, but {source} says "
                f"{list(shape)}: the two do not belong together"
            )
    matched = {name: tensors[name].to(torch.float32, copy=True) for name in shapes}
    broken = [name for name, value in matched.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise UserError(
            f"{path}: {listed(broken)} contains NaN or infinity: the training diverged; "
            "use an earlier checkpoint"
        )
    return matched


def listed(names: Sequence[str]) -> str:
    """Lists the first few names, and says how many more there are."""
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def digest(*paths: Path) -> str:
    """Returns the SHA-256 of a file, or of several as if they were one, in lower-case hexadecimal.

    Raises:
        UserError: if one is missing or cannot be read.
    """
    total = hashlib.sha256()
    for path in paths:
        with opened(path) as file:
            while piece := file.read(_PIECE_BYTES):
                total.update(piece)
    return total.hexdigest()


def opened(path: Path) -> BinaryIO:
    """Opens a file for reading.

    Raises:
        UserError: if it is missing or cannot be read.
    """
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: copy the whole folder") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
