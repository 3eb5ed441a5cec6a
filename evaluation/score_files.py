"""Score files in the field's form, where a higher score speaks for bona fide.

- ASVspoof 2019: `utterance attack label score`, attack `-` for bona fide
- ASVspoof 2021: `utterance score`

Inside, higher means spoof: scores are LLRs of spoof over bona fide and change their sign on the
way, unless `higher_means` says otherwise.
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
    """One line of a score file; attack and label are empty in the form of 2021."""

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
    """Writes a line for each recording that has a score; others (NaN) have none.

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
    """Lines by utterance, their scores turned so that higher means spoof; either form.

    Raises:
        UserError: if a line is of neither form, a score is not a number, or an utterance is there
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
        # from the right: a file name may hold blanks
        fields = line.strip().rsplit(maxsplit=3)
        if not (len(fields) == 4 and fields[2] in LABELS):
            fields = line.strip().rsplit(maxsplit=1)
        try:
            score = float(fields[-1])
        except ValueError:
            score = np.nan
        if len(fields) < 2 or not np.isfinite(score):
            raise UserError(
                f"{path}:{number}: neither 'utterance attack label score' nor 'utterance score',"
                " the score a number"
            )
        made = Line(fields[0], sign * score, *(fields[1:3] if len(fields) == 4 else ()))
        if made.utterance in lines:
            raise UserError(f"{path}:{number}: {made.utterance} has a score already")
        lines[made.utterance] = made
    if not lines:
        raise UserError(f"{path} holds no scores")
    return lines


def match(
    lines: dict[str, Line], recordings: Sequence[Recording], path: Path
) -> tuple[FloatArray, int]:
    """Scores (R,) of the recordings, NaN where the file has none, and how many lines are left over.

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
                f"{path}: {one.name} is {line.label} there and"
                f" {'spoof' if one.label else 'bonafide'} in the list of trials"
            )
        scores[row] = line.score
    found = int((~np.isnan(scores)).sum())
    if not found:
        raise UserError(
            f"{path} has no score of the listed trials; its first utterance is"
            f" {next(iter(lines))}, the list's is {recordings[0].name}"
        )
    return scores, len(lines) - found


def recordings_of(lines: dict[str, Line], path: Path) -> list[Recording]:
    """Trials as the form of 2019 itself tells them.

    Raises:
        UserError: if a line has no label.
    """
    made = []
    for line in lines.values():
        if not line.label:
            raise UserError(f"{path} has no labels: name its trials by --protocol or --manifest")
        label = LABELS[line.label]
        system = line.attack if label else "human"
        made.append(Recording(line.utterance, label, system=system, utterance=line.utterance))
    return made
