"""The tensors of a file without a configuration, before its layout is recognised."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from dfd.detector.files.tensors import digest, listed, match_tensors
from dfd.errors import UserError

_LOGGER = logging.getLogger("dfd.detector")
# file names that say nothing about the model
_GENERIC = ("model", "pytorch_model")
# a counter that batch norms keep in training and do not use afterwards
_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True, slots=True)
class StateDict:
    """The contents of a file.

    Attributes:
        path: path of the file.
        tensors: tensors by name, without what training left behind.
        wrapped: whether a training checkpoint held them.
        parts: the files that it is split into, if it is not a single one.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    wrapped: bool
    parts: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """Name of the model if no card gives one: its file's name, or its id on the hub."""
        folder = self.path.parent
        if self.path.stem not in _GENERIC:
            return self.path.stem
        if folder.parent.name == "snapshots":  # of the hub's cache
            return folder.parent.parent.name.removeprefix("models--").replace("--", "/")
        return folder.resolve().name

    def prefix(self, anchor: str) -> str | None:
        """Returns the prefix of the network's names, found by one of them; None if it is missing.

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
                f"{self.path} has {len(found)} networks, under {listed(found)}: "
                "save only the classifier"
            )
        return found[0] if found else None

    def rows(self, name: str) -> int:
        """Returns the first dimension of a tensor.

        Raises:
            UserError: if it is missing.
        """
        return self._size(name)[0]

    def columns(self, name: str) -> int:
        """Returns the second dimension of a tensor.

        Raises:
            UserError: if it is missing.
        """
        return self._size(name, 2)[1]

    def _size(self, name: str, least: int = 1) -> tuple[int, ...]:
        if name not in self.tensors or self.tensors[name].dim() < least:
            raise UserError(f"{self.path} lacks {name}, so it is incomplete: copy it again")
        return tuple(self.tensors[name].shape)

    def sha256(self) -> str:
        """Returns the digest of the file, or of its parts as if they were one."""
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
        """Returns the tensors that a network expects, by its own names; see `match_tensors`.

        Args:
            wanted: its state dict; only the shapes are used.
            prefix: prefix of the names in the file.
            unused: names that may occur in the file and are ignored.
            source: description of the network, for messages.
            published_name: a name of its own -> the name in the file.

        Raises:
            UserError: if they do not match.
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


def log_recognised(state: StateDict, words: str) -> None:
    """Logs as what a file was recognised."""
    _LOGGER.info("%s: %s", state.path, words)
