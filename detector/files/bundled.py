"""The weights that come with dfd, and their recorded digest."""

from importlib import resources
from pathlib import Path

from dfd.detector.files.tensors import digest
from dfd.errors import UserError

BUNDLED = "bundled"
WEIGHTS = "model.safetensors"
# Kept outside the folder, so that changing the file there does not change what it is compared
# with; update it when other weights are bundled.
WEIGHTS_SHA256 = "73e15964ab5822282fac3ea28f9b41b1ecd398a6edff8bdca54f87977905ef43"


def bundled_folder() -> Path:
    """Returns the folder of the bundled weights, whether it exists or not."""
    folder = resources.files("dfd.detector.bundled")
    assert isinstance(folder, Path)
    return folder


def check_bundled(folder: Path) -> None:
    """Compares the bundled weights with their recorded digest.

    Raises:
        UserError: if they have changed.
    """
    found = digest(folder / WEIGHTS)
    if found != WEIGHTS_SHA256:
        raise UserError(
            f"{folder / WEIGHTS} is not the file that came with dfd: its sha256 is"
            f" {found[:12]}..., not {WEIGHTS_SHA256[:12]}...; install dfd again, or name a folder"
            " of your own as --model"
        )


def passes_for_bundled(name: str, weights_sha256: str) -> bool:
    """Returns whether a model has the bundled model's name but different weights."""
    return name == BUNDLED and weights_sha256 != WEIGHTS_SHA256
