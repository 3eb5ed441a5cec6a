"""Reads the noises and rooms of a corpus, which `extras.tsv` beside its manifest lists."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch

from dfd.errors import UserError
from dfd.evaluation.audio import SAMPLE_RATE_HZ, FloatArray, decode
from dfd.training.material.augment import NOWHERE, Surroundings

FILE = "extras.tsv"
NOISE_SAMPLES = 5 * SAMPLE_RATE_HZ
ROOM_SAMPLES = SAMPLE_RATE_HZ // 2
# how much is kept before the direct sound of a room
_BEFORE = 8


def read_surroundings(corpus: Path) -> Surroundings:
    """Reads the noises and impulse responses of a corpus; none where it has no `extras.tsv`.

    Rows have the columns `file` and `kind`, which is `noise` or `rir`. Other rows are left out, and
    so are files that are silent or cannot be decoded.

    Raises:
        UserError: if the file has another form.
    """
    path = corpus / FILE
    if not path.exists():
        return NOWHERE
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [(row["file"], row["kind"]) for row in csv.DictReader(stream, delimiter="\t")]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    noises: list[FloatArray] = []
    rooms: list[FloatArray] = []
    for file, kind in rows:
        try:
            samples = decode(corpus / file).samples
        except UserError:
            continue
        if not samples.any():
            continue
        if kind == "noise":
            noises.append(_repeated(samples))
        elif kind == "rir":
            rooms.append(_response(samples))
    return Surroundings(_stacked(noises, NOISE_SAMPLES), _stacked(rooms, ROOM_SAMPLES))


def _repeated(samples: FloatArray) -> FloatArray:
    """Returns a noise at unit power, repeated to the length needed."""
    samples = samples / np.sqrt(np.mean(samples**2))
    return np.asarray(np.resize(samples, NOISE_SAMPLES), np.float32)


def _response(samples: FloatArray) -> FloatArray:
    """Returns a response at unit energy, from just before its largest sample."""
    first = max(0, int(np.abs(samples).argmax()) - _BEFORE)
    made = np.zeros(ROOM_SAMPLES, np.float32)
    part = samples[first : first + ROOM_SAMPLES]
    made[: part.size] = part / np.linalg.norm(part)
    return made


def _stacked(parts: list[FloatArray], size: int) -> torch.Tensor:
    return torch.from_numpy(np.stack(parts)) if parts else torch.zeros(0, size)
