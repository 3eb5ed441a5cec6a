"""Score files in the usual formats, in which a higher score means bona fide.

- ASVspoof 2019: `utterance attack label score`, attack `-` for bona fide
- ASVspoof 2021: `utterance score`

Elsewhere in this package a higher score means spoof: scores are LLRs of spoof over bona fide. They
change their sign when they are written or read, unless `higher_means` says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dfd.errors import UserError
from dfd.evaluation.corpus import LABELS, Recording

FORMS = ("2019", "2021")
SIDES = ("bonafide", "spoof")

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a score file; attack and label are empty in the format of 2021."""

    utterance: str
    score: float
    attack: str = ""
    label: str = ""


def write_scores(
    path: Path,
    recordings: Sequence[Recording],
    llrs: FloatArray,
    *,
    form: str = "2019",
    higher_means: str = "bonafide",
) -> None:
    """Writes a line for each recording that has a score; NaN means that there is none.

    Raises:
        UserError: if the file cannot be written.
    """
    sign = -1.0 if higher_means == "bonafide" else 1.0
    words = {label: word for word, label in LABELS.items()}
    lines = []
    for one, llr in zip(recordings, llrs.tolist(), strict=True):
        if np.isnan(llr):
            continue
        # a blank separates columns
        attack = "_".join(one.system.split()) if one.label and one.system else "-"
        middle = f" {attack} {words[one.label]}" if form == "2019" else ""
        lines.append(f"{one.name}{middle} {sign * llr:.6f}\n")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write the scores {path}: {error.strerror}") from error


def read_scores(path: Path, *, higher_means: str = "bonafide") -> dict[str, Line]:
    """Reads lines of either format, by utterance, with scores whose higher values mean spoof.

    Raises:
        UserError: if a line has neither format, a score is not a number, or an utterance occurs
            twice.
    """
    sign = -1.0 if higher_means == "bonafide" else 1.0
    lines: dict[str, Line] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the scores {path}: {error}") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        # from the right, since a file name may contain blanks
        fields = line.strip().rsplit(maxsplit=3)
        if not (len(fields) == 4 and fields[2] in LABELS):
            fields = line.strip().rsplit(maxsplit=1)
        try:
            score = float(fields[-1])
        except ValueError:
            score = np.nan
        if len(fields) < 2 or not np.isfinite(score):
            raise UserError(
                f"{path}:{number}: a line must be 'utterance attack label score' or 'utterance"
                " score', where score is a number"
            )
        made = Line(fields[0], sign * score, *(fields[1:3] if len(fields) == 4 else ()))
        if made.utterance in lines:
            raise UserError(f"{path}:{number}: {made.utterance} has a score on an earlier line")
        lines[made.utterance] = made
    if not lines:
        raise UserError(f"{path} contains no scores")
    return lines


def match(
    lines: dict[str, Line], recordings: Sequence[Recording], path: Path
) -> tuple[FloatArray, int]:
    """Matches lines with recordings.

    Returns:
        Scores (R,) of the recordings, NaN if the file has none, and the number of unused lines.

    Raises:
        UserError: if a label of the file differs from the trial list, or no trial has a score.
    """
    scores = np.full(len(recordings), np.nan)
    for row, one in enumerate(recordings):
        line = lines.get(one.name)
        if line is None:
            continue
        if line.label and LABELS[line.label] != one.label:
            raise UserError(
                f"{path}: {one.name} is labelled {line.label}, but"
                f" {'spoof' if one.label else 'bonafide'} in the list of trials"
            )
        scores[row] = line.score
    found = int((~np.isnan(scores)).sum())
    if not found:
        raise UserError(
            f"{path} has no score for any of the listed trials; its first utterance is"
            f" {next(iter(lines))}, that of the list is {recordings[0].name}"
        )
    return scores, len(lines) - found


def recordings_of(lines: dict[str, Line], path: Path) -> list[Recording]:
    """Returns the trials of a score file in the format of 2019, which states their labels.

    Raises:
        UserError: if a line has no label.
    """
    made = []
    for line in lines.values():
        if not line.label:
            raise UserError(f"{path} has no labels: name its trials with --protocol or --manifest")
        label = LABELS[line.label]
        system = line.attack if label else "human"
        made.append(Recording(line.utterance, label, system=system, utterance=line.utterance))
    return made
