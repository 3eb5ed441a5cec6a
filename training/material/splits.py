"""The recordings that a reference recipe is trained on, and those that it is selected by."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dfd.errors import UserError
from dfd.evaluation.corpus import Recording, read_manifest

PROTOCOL = "asvspoof2019-la"
LABEL_NAMES = ("bona fide", "spoof")


@dataclass(frozen=True)
class Splits:
    """`train` and `dev` recordings below `root`; `name` is that of the data set."""

    name: str
    root: Path
    train: tuple[Recording, ...]
    dev: tuple[Recording, ...]

    def __post_init__(self) -> None:
        for split, rows in (("train", self.train), ("dev", self.dev)):
            require_both(rows, f"{self.name}, split {split}")


def corpus_splits(folder: Path) -> Splits:
    """Returns the splits `train` and `dev` of `manifest.tsv` in a corpus folder.

    Raises:
        UserError: if it cannot be read, or a split lacks a label.
    """
    manifest = folder / "manifest.tsv"
    return Splits(
        folder.resolve().name,
        folder,
        tuple(read_manifest(manifest, "train")),
        tuple(read_manifest(manifest, "dev")),
    )


def protocol_splits(name: str, root: Path) -> Splits:
    """Returns the partitions `train` and `dev` of a data set in its standard layout.

    Raises:
        UserError: if the data set has none, or its protocols are missing.
    """
    from dfd.evaluation.protocols import asvspoof2019

    if name != PROTOCOL:
        raise UserError(f"no training data in {name!r}: --protocol {PROTOCOL} has train and dev")
    train, dev = (asvspoof2019.read(root, subset) for subset in ("train", "dev"))
    return Splits(
        name,
        root,
        *(
            tuple(dataclasses.replace(row, source=name) for row in trials.recordings)
            for trials in (train, dev)
        ),
    )


def require_both(rows: Sequence[Recording], where: str) -> None:
    """Raises `UserError` unless both labels are there."""
    for label, name in enumerate(LABEL_NAMES):
        if not any(row.label == label for row in rows):
            raise UserError(f"{where}: no {name} recordings; both labels are needed")


def sources(rows: Sequence[Recording]) -> list[tuple[str, int, int]]:
    """Returns each source with its numbers of bona fide and of spoof recordings, by name."""
    counts = Counter((row.source or "(no source given)", row.label) for row in rows)
    return [
        (source, counts[source, 0], counts[source, 1])
        for source in sorted({source for source, _ in counts})
    ]
