"""Model folders by their id on the Hugging Face hub, through the hub's own cache.

`HF_HOME`, `HF_HUB_OFFLINE`, `HF_TOKEN` and `HF_ENDPOINT` have their usual meaning. Only the files
that are needed are fetched; what is in the cache is used without a network.

Files are fetched one by one and not by `snapshot_download`, for two reasons, which tests show. It
takes patterns, while which weights are needed (one file, the parts that an index names, pickled
ones if there are no others) is known only on the way: with patterns for all of them a repository
that has both formats is fetched twice over. And without a network it returns an incomplete folder
of the cache, while this names the missing file and says how to bring it. Of this module's lines
only `fetch` and `_fetched` would go; the sentences for the hub's errors would stay.
"""

import re
from pathlib import Path

from dfd.detector.files import card, folder_files
from dfd.errors import UserError

_ID = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)


def is_hub_id(model: str) -> bool:
    """Returns whether a name is "organisation/model" or "organisation/model@revision"."""
    return _ID.fullmatch(model) is not None and ".." not in model


def fetch(model: str) -> Path:
    """Fetches a model's files into the hub's cache, unless they are already there.

    Args:
        model: "organisation/model", with "@" and a branch, tag or commit if it is not main.

    Returns:
        The folder of the files in the cache.

    Raises:
        UserError: if the hub has no such model, restricts it, or cannot be reached and the
            cache lacks it.
    """
    match = _ID.fullmatch(model)
    assert match is not None
    repo = _Repo(model, match["repo"], match["revision"])
    folder = repo.file(folder_files.CONFIG).parent
    # the others come from the same commit, whatever is pushed meanwhile
    repo = _Repo(model, repo.name, folder.name, cached_only=repo.cached_only)
    if folder_files.is_transformers(folder):
        repo.file(folder_files.PREPROCESSOR)
    if repo.optional(folder_files.WEIGHTS) is None:
        index = repo.optional(folder_files.INDEX)
        if index is not None:
            for part in folder_files.parts_of(index):
                repo.file(part)
        elif repo.optional(folder_files.PICKLED) is None:
            repo.file(folder_files.WEIGHTS)
    repo.optional(card.FILE_NAME)
    return folder


def cached(model: str) -> Path | None:
    """Returns the folder of a model fetched before, without network access; None if not there."""
    from huggingface_hub import try_to_load_from_cache

    weights = (folder_files.WEIGHTS, folder_files.INDEX, folder_files.PICKLED)
    for name in weights:
        path = try_to_load_from_cache(model, name)
        if isinstance(path, str):
            return Path(path).parent
    return None


class _Repo:
    """One revision of a model on the hub.

    Args:
        model: the model as given, for messages.
        name: "organisation/model".
        revision: branch, tag or commit; None means main.
        cached_only: whether to avoid the network; None checks once whether the hub answers, since
            the hub's library retries for half a minute for every file.
    """

    def __init__(
        self, model: str, name: str, revision: str | None, *, cached_only: bool | None = None
    ) -> None:
        self._model = model
        self.name = name
        self._revision = revision
        self.cached_only = not self._answers() if cached_only is None else cached_only

    def file(self, name: str) -> Path:
        """Fetches a file; returns its path in the cache."""
        try:
            return self._fetched(name)
        except Exception as error:
            raise self._explained(name, error) from None

    def optional(self, name: str) -> Path | None:
        """Fetches a file that need not exist."""
        from huggingface_hub.errors import EntryNotFoundError

        try:
            return self._fetched(name)
        except EntryNotFoundError:
            return None
        except Exception as error:
            raise self._explained(name, error) from None

    def _fetched(self, name: str) -> Path:
        from huggingface_hub import hf_hub_download

        path = hf_hub_download(
            self.name, name, revision=self._revision, local_files_only=self.cached_only
        )
        return Path(path)

    def _answers(self) -> bool:
        """Returns whether the hub answers."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.errors import HfHubHTTPError

        name = folder_files.CONFIG
        try:
            get_hf_file_metadata(hf_hub_url(self.name, name, revision=self._revision))
        except HfHubHTTPError as error:
            if error.response.status_code < 500:
                raise self._explained(name, error) from None
            return False
        except Exception:  # of the HTTP library, which is another one in each release of the hub's
            return False
        return True

    def _explained(self, name: str, error: Exception) -> UserError:
        """Converts the hub's many errors to a sentence that says what to do."""
        from huggingface_hub import errors

        model = self._model
        if isinstance(error, errors.GatedRepoError):
            return UserError(
                f"{model}: access is granted on request: ask for it on the hub, then set HF_TOKEN"
            )
        if isinstance(error, errors.RevisionNotFoundError):
            return UserError(f"{model}: the hub has {self.name}, but not this revision")
        if isinstance(error, errors.RepositoryNotFoundError):
            return UserError(
                f"there is neither a folder nor, on the hub, a model {model}: correct the name, "
                "or set HF_TOKEN if it is private"
            )
        if isinstance(error, errors.RemoteEntryNotFoundError):
            return UserError(
                f"{model} has no {name}: it is not a classifier in transformers' format"
            )
        if self.cached_only and isinstance(error, errors.LocalEntryNotFoundError):
            return UserError(
                f"{model}: there is no such folder here, the hub's cache lacks {name}, and the hub "
                f"cannot be reached: on a machine with a network run `hf download {self.name} "
                "--local-dir FOLDER`, copy FOLDER here and name it as --model"
            )
        said = " ".join(str(error).split())
        return UserError(f"{model}: {name} cannot be fetched from the hub ({said})")
