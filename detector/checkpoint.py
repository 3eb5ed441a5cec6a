"""What `--model` names, and the weights behind it."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from dfd.detector.card import ModelCard
from dfd.detector.errors import DetectorError
from dfd.detector.network import ScoringNetwork

BUNDLED = "bundled"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model read into memory, on the CPU, in float32.

    Attributes:
        network: ready to be compiled.
        card: its facts.
        weights_sha256: digest of the file that holds the weights.
        least_samples: shorter windows give not one frame.
    """

    network: ScoringNetwork
    card: ModelCard
    weights_sha256: str
    least_samples: int


def read_checkpoint(model: str) -> Checkpoint:
    """Reads a model: `bundled`, or a folder in the transformers format.

    Raises:
        DetectorError: there is no such model, or its files are broken or not supported.
    """
    from dfd.detector import transformers_folder

    folder = find_folder(model)
    if (folder / transformers_folder.CONFIG).exists():
        return transformers_folder.read(folder)
    raise DetectorError(
        f"{folder} has no {transformers_folder.CONFIG}: name a folder that transformers' "
        "save_pretrained wrote"
    )


def find_folder(model: str) -> Path:
    """The folder that a model name means.

    Raises:
        DetectorError: it does not exist or holds no weights.
    """
    if model == BUNDLED:
        folder = bundled_folder()
        if not (folder / "model.safetensors").exists():
            raise DetectorError(
                f"no bundled weights in {folder}: train a model with `dfd train` and name its "
                "folder as --model"
            )
        return folder
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise DetectorError(
            f"{model} is a file: name a folder with config.json and model.safetensors"
        )
    raise DetectorError(
        f'there is no model folder {model}: name an existing one, or "{BUNDLED}" for the one '
        "that comes with dfd"
    )


def bundled_folder() -> Path:
    """Where the weights lie that come with dfd, whether they are there or not."""
    folder = resources.files("dfd.detector.bundled")
    assert isinstance(folder, Path)
    return folder


def digest(path: Path) -> str:
    """SHA-256 of a file, lower-case hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
