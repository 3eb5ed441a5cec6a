"""Scores trials: audio is decoded once, ahead of the detector, and scored in full batches."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dfd.errors import UserError
from dfd.evaluation.audio import SAMPLE_RATE_HZ, FloatArray, decode
from dfd.evaluation.corpus import Recording
from dfd.evaluation.scoring.served import Model
from dfd.evaluation.telephone.conditions import Condition
from dfd.offline.batches import Batches
from dfd.offline.scores import NO_WINDOWS, Scores, WindowScores
from dfd.offline.windows import cut
from dfd.streaming.types import Window

_AHEAD = 8  # recordings decoded ahead of the detector, for each thread
NO_SCORE = "the network gave no finite score"


@dataclass(frozen=True)
class _Prepared:
    """A recording under the first condition, and its windows under each condition."""

    wave: FloatArray
    windows: dict[str, list[Window]]


@dataclass
class TrialScores:
    """Scores of R recordings.

    Attributes:
        windows: by condition, the windows of each recording; none if it is unreadable.
        beginnings: by seconds (shorter than a window), LLRs (R,) of the first seconds.
        lengths: in samples, (R,); 0 if the recording is unreadable.
        unreadable: reason by file.
        incomplete: what was cut short, damaged or not read, by file; these still have a score.
    """

    windows: dict[str, list[WindowScores]]
    beginnings: dict[float, Scores]
    lengths: npt.NDArray[np.int64]
    unreadable: dict[str, str] = field(default_factory=dict)
    incomplete: dict[str, str] = field(default_factory=dict)

    def pooled(self, model: Model, condition: str) -> Scores:
        """Returns the score of each recording (R,) under a condition; NaN if it is unreadable."""
        return np.array([scores.score(model.traits) for scores in self.windows[condition]])


def score_trials(
    recordings: Sequence[Recording],
    audio_root: Path,
    model: Model,
    *,
    conditions: Mapping[str, Condition],
    beginnings: Sequence[float] = (),
    most_seconds: float | None = None,
    jobs: int = 1,
    progress: Callable[[], None] = lambda: None,
) -> TrialScores:
    """Scores recordings under each condition.

    Args:
        recordings: the recordings to score.
        audio_root: folder of their files.
        model: how to score them.
        conditions: conditions by name.
        beginnings: lengths in seconds, shorter than the model's window; the beginnings of these
            lengths are scored separately, under the first condition.
        most_seconds: use only this much of each recording.
        jobs: number of threads that decode and apply the conditions.
        progress: called after each recording.
    """
    found = TrialScores(
        windows={name: [] for name in conditions},
        beginnings={seconds: np.full(len(recordings), np.nan) for seconds in beginnings},
        lengths=np.zeros(len(recordings), np.int64),
    )
    batches = Batches(model.scorer, model.traits.window_samples, model.batch)
    first = next(iter(conditions))

    def prepare(recording: Recording) -> _Prepared | UserError:
        try:
            decoded = decode(audio_root / recording.file)
        except UserError as error:
            return error
        if decoded.missing:
            found.incomplete[recording.file] = decoded.missing
        most = None if most_seconds is None else int(most_seconds * SAMPLE_RATE_HZ)
        waves = {
            name: condition(decoded.samples, generator_of(recording))[:most]
            for name, condition in conditions.items()
        }
        windows = {name: cut(made, model.traits) for name, made in waves.items()}
        return _Prepared(waves[first], windows)

    for row, made in enumerate(_ahead(prepare, recordings, jobs)):
        if isinstance(made, UserError):
            found.unreadable[recordings[row].file] = str(made)
            for windows in found.windows.values():
                windows.append(NO_WINDOWS)
        else:
            found.lengths[row] = made.wave.size
            for name, windows in found.windows.items():
                windows.append(batches.add_windows(made.windows[name]))
            for seconds, scores in found.beginnings.items():
                batches.add(made.wave[: int(seconds * SAMPLE_RATE_HZ)], scores, row)
        progress()
    batches.flush()
    for windows in found.windows.values():
        for row, values in enumerate(windows):
            if len(values) and not values.finite:
                found.unreadable[recordings[row].file] = NO_SCORE
    return found


def generator_of(recording: Recording) -> np.random.Generator:
    """Returns the random generator for a recording's conditions, seeded by its name."""
    return np.random.default_rng(zlib.crc32(recording.name.encode()))


def _ahead(
    prepare: Callable[[Recording], _Prepared | UserError],
    recordings: Sequence[Recording],
    jobs: int,
) -> Iterator[_Prepared | UserError]:
    """Yields results in order; threads prepare a bounded number of them ahead."""
    waiting: deque[Future[_Prepared | UserError]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for recording in recordings:
                waiting.append(pool.submit(prepare, recording))
                if len(waiting) == _AHEAD * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
