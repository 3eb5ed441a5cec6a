"""The tensors of a file without a configuration, before anybody knows what they are."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from dfd.detector.files.tensors import digest, listed, match_tensors
from dfd.errors import UserError

_LOGGER = logging.getLogger("dfd.detector")
# files that are called so everywhere
_GENERIC = ("model", "pytorch_model")
# counted by batch norms in training, and read by nothing
_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True, slots=True)
class StateDict:
    """What a file holds.

    Attributes:
        tensors: by name, without what training left behind.
        wrapped: whether they lay inside a training checkpoint.
        parts: the files of which it is made up, where it is not one.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    wrapped: bool
    parts: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """What to call the model where no card does: its file's name, or who published it."""
        folder = self.path.parent
        if self.path.stem not in _GENERIC:
            return self.path.stem
        if folder.parent.name == "snapshots":  # of the hub's cache
            return folder.parent.parent.name.removeprefix("models--").replace("--", "/")
        return folder.resolve().name

    def prefix(self, anchor: str) -> str | None:
        """What stands before a network's own names, found by one of them; None without it.

        Raises:
            UserError: if it occurs more than once.
        """
        found = [
            name.removesuffix(anchor)
            for name in self.tensors
            if name.endswith(anchor) and name.removesuffix(anchor)[-1:] in ("", ".")
        ]
        if len(found) > 1:
            raise UserError(
                f"{self.path} holds {len(found)} networks, under {listed(found)}: "
                "save the classifier alone"
            )
        return found[0] if found else None

    def rows(self, name: str) -> int:
        """The first size of a tensor.

        Raises:
            UserError: if it is missing.
        """
        return self._size(name)[0]

    def columns(self, name: str) -> int:
        """The second size of a tensor, likewise."""
        return self._size(name, 2)[1]

    def _size(self, name: str, least: int = 1) -> tuple[int, ...]:
        if name not in self.tensors or self.tensors[name].dim() < least:
            raise UserError(f"{self.path} lacks {name}, so it is not whole: copy it again")
        return tuple(self.tensors[name].shape)

    def sha256(self) -> str:
        """Digest of the file, or of its parts as if they were one."""
        return digest(*(self.parts or (self.path,)))

    def matched(
        self,
        wanted: Mapping[str, Tensor],
        prefix: str,
        *,
        unused: set[str],
        source: str,
        published_name: Callable[[str], str] = str,
    ) -> dict[str, Tensor]:
        """The tensors that a network wants, by its own names; see `match_tensors`.

        Args:
            wanted: its state dict, of which the sizes count.
            prefix: of the names in the file.
            unused: of its own names, those that may be there for nothing.
            source: what wants them, for messages.
            published_name: of a tensor of its own, in the file.
        """
        counters = {name for name in wanted if name.endswith(_COUNTER)}
        names = {name: prefix + published_name(name) for name in wanted.keys() - counters}
        matched = match_tensors(
            self.tensors,
            {names[name]: wanted[name].shape for name in wanted if name in names},
            self.path,
            unused={prefix + name for name in unused}
            | {name for name in self.tensors if name.endswith(_COUNTER)},
            source=source,
        )
        found = {name: matched[file_name] for name, file_name in names.items()}
        return found | {name: wanted[name] for name in counters}


def say_found(state: StateDict, words: str) -> None:
    """Logs what a file was taken for."""
    _LOGGER.info("%s: %s", state.path, words)
