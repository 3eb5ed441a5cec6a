"""What is to be scored: the recordings, where their audio lies, and which tables they call for."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from dfd.errors import UserError
from dfd.evaluation.corpus import Recording, read_manifest, refuse_duplicates


class Against(Enum):
    """Which bona fide recordings the spoofs of a row of a table are set against."""

    ALL = "all bona fide recordings"
    SOURCE = "the bona fide recordings of the same source"
    GROUP = "the bona fide recordings of the same group"


@dataclass(frozen=True, slots=True)
class Table:
    """A breakdown: its key in the figures, the field of `Recording` it goes by, and how."""

    name: str
    field: str
    against: Against


BY_SOURCE = Table("by_source", "source", Against.GROUP)
BY_SYSTEM = Table("by_system", "system", Against.ALL)
BY_EDITION = Table("by_edition", "edition", Against.GROUP)
BY_KIND = Table("by_kind", "kind", Against.ALL)
BY_LANGUAGE = Table("by_language", "language", Against.GROUP)
BY_CODEC = Table("by_codec", "codec", Against.GROUP)
BY_TRANSMISSION = Table("by_transmission", "transmission", Against.GROUP)
BY_SPEAKER = Table("by_speaker", "speaker", Against.GROUP)


@dataclass(frozen=True)
class TrialSet:
    """A list of trials.

    Attributes:
        name: of the data set; "manifest" for a user's own.
        subset: which part of it, in words.
        recordings: the trials, their files relative to `audio_root`.
        listed_in: the file (or folder) that lists them.
        tables: breakdowns beside those by source and by system.
        official_count: how many trials the set is known to have; None where that is not known.
    """

    name: str
    subset: str
    recordings: Sequence[Recording]
    audio_root: Path
    listed_in: Path
    tables: tuple[Table, ...] = ()
    official_count: int | None = None

    def __post_init__(self) -> None:
        refuse_duplicates(self.recordings, self.listed_in)
        for label, word in enumerate(("bona fide", "spoof")):
            if not any(recording.label == label for recording in self.recordings):
                raise UserError(
                    f"{self.listed_in}: no {word} recording ({self.subset}); both are needed"
                )

    @property
    def sha256(self) -> str:
        """Digest of the trial list: utterance, label, system, in order."""
        digest = hashlib.sha256()
        for one in self.recordings:
            digest.update(f"{one.name}\t{one.label}\t{one.system}\n".encode())
        return digest.hexdigest()


def from_manifest(path: Path, audio_root: Path, split: str | None = None) -> TrialSet:
    """The trials of a manifest.

    Raises:
        UserError: if it cannot be read, lists a file twice or lacks a label.
    """
    recordings = read_manifest(path, split)
    filled = Counter(
        table.name
        for table in (BY_CODEC, BY_TRANSMISSION, BY_SPEAKER)
        for one in recordings
        if getattr(one, table.field)
    )
    tables = (BY_CODEC, BY_TRANSMISSION, BY_SPEAKER)
    return TrialSet(
        name="manifest",
        subset="all rows" if split is None else f"split {split}",
        recordings=recordings,
        audio_root=audio_root,
        listed_in=path,
        tables=tuple(table for table in tables if filled[table.name]),
    )
