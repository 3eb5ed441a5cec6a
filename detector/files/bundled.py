"""The weights that come with dfd, and the record of what they are."""

from importlib import resources
from pathlib import Path

from dfd.detector.files.tensors import digest
from dfd.errors import UserError

BUNDLED = "bundled"
WEIGHTS = "model.safetensors"
# It stands apart from the folder, so that whoever changes the file there does not change what it
# is compared with; to be written anew when other weights are bundled.
WEIGHTS_SHA256 = "70e9c012b0cddf5e713ba05b2a6123184d54ba457efc39485b6e4e218084617f"


def bundled_folder() -> Path:
    """Where the weights lie that come with dfd, whether they are there or not."""
    folder = resources.files("dfd.detector.bundled")
    assert isinstance(folder, Path)
    return folder


def check_bundled(folder: Path) -> None:
    """Compares the bundled weights with their record.

    Raises:
        UserError: if they were changed.
    """
    found = digest(folder / WEIGHTS)
    if found != WEIGHTS_SHA256:
        raise UserError(
            f"{folder / WEIGHTS} is not the file that came with dfd: its sha256 is"
            f" {found[:12]}..., not {WEIGHTS_SHA256[:12]}...; install dfd again, or name a folder"
            " of your own as --model"
        )


def passes_for_bundled(name: str, weights_sha256: str) -> bool:
    """Whether a model has the bundled one's name and other weights."""
    return name == BUNDLED and weights_sha256 != WEIGHTS_SHA256
