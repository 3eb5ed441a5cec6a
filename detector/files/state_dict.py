"""Files of tensors without a configuration, as training scripts save them."""

from pathlib import Path

from dfd.detector.files import layouts
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.layouts.leftovers import without_leftovers
from dfd.detector.files.layouts.state import StateDict
from dfd.detector.files.pickled import read_pickled, state_of
from dfd.detector.files.tensors import read_safetensors
from dfd.detector.overrides import ModelOverrides


def read(path: Path, overrides: ModelOverrides | None = None) -> Checkpoint:
    """Reads a file that torch.save or safetensors wrote.

    Raises:
        UserError: it is truncated or no checkpoint, wants code to be run, has tensors
            left over or missing, or does not say which output is spoof.
    """
    if path.suffix == ".safetensors":
        tensors, wrapped = read_safetensors(path), False
    else:
        tensors, wrapped = state_of(read_pickled(path), path)
    state = StateDict(path, without_leftovers(tensors, path), wrapped)
    return layouts.read(state, overrides or ModelOverrides())
