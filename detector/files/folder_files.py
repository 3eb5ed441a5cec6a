"""The files of a folder that transformers' `save_pretrained` wrote."""

from pathlib import Path
from typing import Any

from torch import Tensor

from dfd.detector.files.pickled import read_pickled, state_of
from dfd.detector.files.tensors import read_safetensors
from dfd.detector.jsonfile import Fields, read_object
from dfd.errors import UserError

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = "pytorch_model.bin"


def is_transformers(folder: Path) -> bool:
    """Returns whether a folder's config.json is one that transformers wrote."""
    path = folder / CONFIG
    return path.exists() and bool({"model_type", "architectures"} & read_object(path).keys())


def weight_files(folder: Path) -> list[Path]:
    """Returns the files that hold the weights: safetensors, whole or in parts, before a pickle.

    Raises:
        UserError: if there are none.
    """
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    if (folder / INDEX).exists():
        return [folder / part for part in parts_of(folder / INDEX)]
    if (folder / PICKLED).exists():
        return [folder / PICKLED]
    raise UserError(
        f"{folder / WEIGHTS} is missing: copy the whole folder, with its weights as safetensors "
        "(save_pretrained writes them)"
    )


def parts_of(index: Path) -> list[str]:
    """Returns the names of the files that an index of safetensors parts lists, in order.

    Raises:
        UserError: if it lists none, or a file outside its folder.
    """
    fields = Fields(index, read_object(index))
    named: dict[str, Any] = fields.nested("weight_map").content
    parts = sorted({str(part) for part in named.values()})
    inside = bool(parts) and all(Path(part).name == part for part in parts)
    fields.require(inside, "weight_map", "a list of files beside it")
    return parts


def read_tensors(weights: list[Path]) -> dict[str, Tensor]:
    """Reads the tensors of all these files.

    Raises:
        UserError: if one of them is missing or broken.
    """
    if weights[0].name == PICKLED:
        return state_of(read_pickled(weights[0]), weights[0])[0]
    tensors: dict[str, Tensor] = {}
    for part in weights:
        tensors |= read_safetensors(part)
    return tensors
