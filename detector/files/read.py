"""Finds the model named by `--model` and reads it with the reader for its format."""

from pathlib import Path

from dfd.detector.catalogue import named
from dfd.detector.files import folder_files, hub, pulled, state_dict, transformers_folder
from dfd.detector.files.bundled import BUNDLED, bundled_folder, check_bundled
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.overrides import ModelOverrides
from dfd.errors import UserError

# Names that training scripts give to their checkpoints.
_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")


def read_checkpoint(model: str, overrides: ModelOverrides | None = None) -> Checkpoint:
    """Reads a model.

    Args:
        model: `bundled`; the name of a public detector fetched with `dfd models pull`; a folder
            written by transformers' save_pretrained, or its id on the hub; a file written by
            torch.save or safetensors, or a folder with one such file.
        overrides: properties that override the model's own.

    Raises:
        UserError: if there is no such model, or its files are broken or not supported.
    """
    path = Path(model).expanduser()
    if model != BUNDLED and not path.exists() and hub.is_hub_id(model):
        folder = hub.fetch(model)
        if folder_files.is_transformers(folder):
            return transformers_folder.read(folder, overrides, name=model.partition("@")[0])
        return _read_folder(folder, overrides)
    path = find_model(model)
    named = (folder_files.WEIGHTS, folder_files.PICKLED)
    if path.name in named and folder_files.is_transformers(path.parent):
        path = path.parent
    if path.is_file():
        transformers_folder.refuse_pooling(overrides, path)
        return state_dict.read(path, overrides)
    return _read_folder(path, overrides)


def _read_folder(path: Path, overrides: ModelOverrides | None) -> Checkpoint:
    """Reads a folder written by transformers, or one with a single checkpoint."""
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
    has_config = folder_files.is_transformers(path)
    parted = (path / folder_files.INDEX).exists()
    named = {folder_files.WEIGHTS, folder_files.PICKLED}
    if has_config and (parted or not files or named & {file.name for file in files}):
        return transformers_folder.read(path, overrides)
    if parted or len(files) == 1:
        transformers_folder.refuse_pooling(overrides, path)
    if parted:
        return state_dict.read_parts(path, overrides)
    if len(files) == 1:
        return state_dict.read(files[0], overrides)
    if files:
        names = ", ".join(file.name for file in files)
        raise UserError(f"{path} has several checkpoints: name one of {names}")
    raise UserError(
        f"{path} has no {folder_files.CONFIG}: name a folder written by transformers' "
        "save_pretrained, or a checkpoint file"
    )


def find_model(model: str) -> Path:
    """Returns the folder or file of a model.

    Raises:
        UserError: if it does not exist or contains no weights.
    """
    if model == BUNDLED:
        folder = bundled_folder()
        if not (folder / "model.safetensors").exists():
            raise UserError(
                f"no bundled weights in {folder}: train a model with `dfd train` and name its "
                "folder as --model"
            )
        check_bundled(folder)
        return folder
    path = Path(model).expanduser()
    if path.exists():
        return path
    fetched = pulled.find(model)
    if fetched is not None:
        return fetched
    known = named(model)
    if known is not None and known.by_hand:
        raise pulled.by_hand(known)
    if known is not None:
        raise UserError(f"{model} is not on this machine yet: run dfd models pull {model}")
    raise UserError(
        f"there is no model folder or file {model}: name an existing one, a hub id as "
        f'organisation/model, or "{BUNDLED}" for the one that comes with dfd'
    )
