"""Model folders by their id on the Hugging Face hub, through the hub's own cache.

`HF_HOME`, `HF_HUB_OFFLINE`, `HF_TOKEN` and `HF_ENDPOINT` mean what they mean everywhere. Only
the files that are read here are fetched; what is in the cache is used without a network.
"""

import re
from pathlib import Path

from dfd.detector import card, transformers_folder
from dfd.detector.errors import DetectorError

_ID = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)


def is_hub_id(model: str) -> bool:
    """Whether a name has the form "organisation/model" or "organisation/model@revision"."""
    return _ID.fullmatch(model) is not None and ".." not in model


def fetch(model: str) -> Path:
    """Brings a model's files into the hub's cache, where they are not there yet.

    Args:
        model: "organisation/model", and "@" with a branch, tag or commit where it is not main.

    Returns:
        The folder of the files in the cache.

    Raises:
        DetectorError: the hub has no such model, keeps it back, or cannot be reached and the
            cache lacks it.
    """
    match = _ID.fullmatch(model)
    assert match is not None
    config = _file(model, match["repo"], transformers_folder.CONFIG, match["revision"])
    folder = config.parent
    commit = folder.name  # the others come from the same commit, whatever is pushed meanwhile
    repo = match["repo"]
    _file(model, repo, transformers_folder.PREPROCESSOR, commit)
    if _optional(model, repo, transformers_folder.WEIGHTS, commit) is None:
        index = _optional(model, repo, transformers_folder.INDEX, commit)
        if index is not None:
            for part in transformers_folder.parts_of(index):
                _file(model, repo, part, commit)
        elif _optional(model, repo, transformers_folder.PICKLED, commit) is None:
            _file(model, repo, transformers_folder.WEIGHTS, commit)
    _optional(model, repo, card.FILE_NAME, commit)
    return folder


def _optional(model: str, repo: str, name: str, revision: str) -> Path | None:
    """A file that need not be there."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(repo, name, revision=revision))
    except EntryNotFoundError:
        return None
    except Exception as error:
        raise _explained(model, repo, name, error) from error


def _file(model: str, repo: str, name: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repo, name, revision=revision))
    except Exception as error:
        raise _explained(model, repo, name, error) from error


def _explained(model: str, repo: str, name: str, error: Exception) -> DetectorError:
    """The hub's many errors as a sentence that says what to do."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return DetectorError(
            f"{model}: its owners give it out on request: ask on the hub, then set HF_TOKEN"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return DetectorError(f"{model}: the hub has {repo}, but not this revision")
    if isinstance(error, errors.RepositoryNotFoundError):
        return DetectorError(
            f"there is neither a folder nor, on the hub, a model {model}: correct the name, or "
            "set HF_TOKEN where it is private"
        )
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return DetectorError(f"{model} has no {name}: it is no classifier in transformers' form")
    if isinstance(error, errors.LocalEntryNotFoundError | OSError):
        return DetectorError(
            f"there is no folder {model}, and the hub cannot be reached for {name} of a model of "
            f"this name: on a machine with a network run `hf download {repo} --local-dir FOLDER`, "
            "bring FOLDER here and name it as --model"
        )
    return DetectorError(f"{model} cannot be had from the hub ({type(error).__name__}: {error})")
