"""Lists of trials: the recordings to score, where their audio is, and the breakdowns to compute."""

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
    """The bona fide recordings with which the spoofs in a row of a table are compared."""

    ALL = "all bona fide recordings"
    SOURCE = "the bona fide recordings of the same source"
    GROUP = "the bona fide recordings of the same group"


@dataclass(frozen=True, slots=True)
class Table:
    """A breakdown: its key in the figures, the field of `Recording`, and the comparison."""

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
        name: name of the data set; "manifest" for a user's own.
        subset: description of the part of it.
        recordings: the trials, with files relative to `audio_root`.
        audio_root: folder of the audio.
        listed_in: the file (or folder) that lists them.
        tables: breakdowns besides those by source and by system.
        official_count: published number of trials; None if it is not known.

    Raises:
        UserError: if an utterance is listed twice, or a label is missing.
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
        """Digest of the trial list: utterances, labels and systems, in order."""
        digest = hashlib.sha256()
        for one in self.recordings:
            digest.update(f"{one.name}\t{one.label}\t{one.system}\n".encode())
        return digest.hexdigest()


def from_manifest(path: Path, audio_root: Path, split: str | None = None) -> TrialSet:
    """Returns the trials of a manifest.

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
