"""Rows of a corpus manifest: a tab-separated file with the columns `file` and `label` at least.

The optional columns are `split`, `system`, `source`, `speaker`, `codec`, `transmission`,
`original_rate_hz`, `edition` and `language`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dfd.errors import UserError

LABELS = {"bonafide": 0, "spoof": 1}


@dataclass(frozen=True, slots=True)
class Recording:
    """One row of a manifest.

    `label` is 0 for bona fide and 1 for spoof; `file` is relative to the audio root.
    `system` is what made a spoof (an attack, a vocoder); `codec` and `transmission` are the
    channel it came through. `utterance` is its name in protocols and score files.
    """

    file: str
    label: int
    split: str = ""
    system: str = ""
    source: str = ""
    speaker: str = ""
    original_rate_hz: int = 16000
    codec: str = ""
    transmission: str = ""
    utterance: str = ""
    edition: str = ""
    language: str = ""

    @property
    def kind(self) -> str:
        """The kind of system it came from, if `system` states it: `tts` in `tts:VITS`."""
        kind, colon, _ = self.system.partition(":")
        return kind if colon else ""

    @property
    def name(self) -> str:
        """The utterance, or the file if there is none."""
        return self.utterance or self.file


def read_manifest(path: Path, split: str | None = None) -> list[Recording]:
    """Reads a manifest, optionally only the rows of one split.

    Raises:
        UserError: if the file cannot be read, a required column is missing, a label is unknown,
            or no row is left.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t")
            columns = set(reader.fieldnames or ())
            missing = {"file", "label"} - columns
            if missing:
                raise UserError(
                    f"{path}: no column {', '.join(sorted(missing))}: the first line must name"
                    " the columns, separated by tabs"
                )
            rows = [_row(path, number, row) for number, row in enumerate(reader, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read the manifest {path}: {error}") from error
    if split is not None:
        if "split" not in columns:
            raise UserError(f"{path}: no column split, so no rows of split {split!r}")
        there = sorted({row.split for row in rows})
        rows = [row for row in rows if row.split == split]
        if not rows:
            raise UserError(f"{path}: no rows of split {split!r}; choose from: {', '.join(there)}")
    if not rows:
        raise UserError(f"{path}: no rows")
    return rows


def refuse_duplicates(recordings: Iterable[Recording], where: Path) -> None:
    """Raises `UserError` naming the first utterance that occurs twice."""
    seen: set[str] = set()
    for recording in recordings:
        if recording.name in seen:
            raise UserError(
                f"{where}: {recording.name} is listed twice; each trial must be listed once"
            )
        seen.add(recording.name)


def _row(path: Path, number: int, row: dict[str, str | None]) -> Recording:
    label = (row.get("label") or "").strip()
    if label not in LABELS:
        raise UserError(f"{path}:{number}: label {label!r} is neither bonafide nor spoof")
    file = (row.get("file") or "").strip()
    if not file:
        raise UserError(f"{path}:{number}: no file")
    rate = (row.get("original_rate_hz") or "").strip()
    return Recording(
        file=file,
        label=LABELS[label],
        split=row.get("split") or "",
        system=row.get("system") or "",
        source=row.get("source") or "",
        speaker=row.get("speaker") or "",
        original_rate_hz=int(rate) if rate.isdigit() else 16000,
        codec=row.get("codec") or "",
        transmission=row.get("transmission") or "",
        edition=row.get("edition") or "",
        language=row.get("language") or "",
    )
