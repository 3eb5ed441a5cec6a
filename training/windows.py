"""Scores of recordings, window by window, by a network that is being trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from dfd.evaluation.audio import SAMPLE_RATE_HZ
from dfd.training.material.clips import Clips, collate, prefetch
from dfd.training.weights.serving import PROVISIONAL_SECONDS

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Scores = list[npt.NDArray[np.float64]]
Score = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Cut:
    """Windows of ``window_samples`` every ``hop_samples`` until the end is heard.

    ``hop_samples`` 0 hears the first window alone. ``filled`` fills every window up with zeros;
    otherwise a batch is as long as its longest window.
    """

    window_samples: int = 64_000
    hop_samples: int = 32_000
    filled: bool = True


def windows_of(wave: FloatArray, cut: Cut) -> list[FloatArray]:
    """The windows of a recording, the last one short."""
    made = [wave[: cut.window_samples]]
    at = cut.hop_samples
    while cut.hop_samples and at - cut.hop_samples + cut.window_samples < wave.size:
        made.append(wave[at : at + cut.window_samples])
        at += cut.hop_samples
    return made


def score_clips(
    score: Score,
    clips: Clips,
    cut: Cut,
    *,
    batch: int,
    workers: int,
    most_samples: int | None = None,
    progress: Callable[[int], None] = lambda _done: None,
) -> Scores:
    """Spoof log-odds of every window of every recording, (n_i,) each; (0,) for a broken file.

    ``score`` takes windows (B, N) and lengths (B,) to log-odds (B,). ``most_samples`` hears only
    the beginning. ``progress`` is told how many recordings are done at once.
    """
    order = np.argsort(clips.lengths, kind="stable")
    groups = [order[at : at + batch] for at in range(0, len(order), batch)]

    def load(group: IntArray) -> tuple[list[int], list[FloatArray]]:
        owners, pieces = [], []
        for row in group:
            wave = clips.read(int(row))
            if wave is not None:
                windows = windows_of(wave[:most_samples], cut)
                owners += [int(row)] * len(windows)
                pieces += windows
        return owners, pieces

    found: list[list[float]] = [[] for _ in clips.recordings]
    filled = cut.window_samples if cut.filled else 0
    for group, (owners, pieces) in zip(groups, prefetch(load, groups, workers), strict=True):
        for at in range(0, len(pieces), batch):
            part = pieces[at : at + batch]
            made = collate(part, [0] * len(part), filled)
            values = score(made.waves, made.lengths).double().tolist()
            for owner, value in zip(owners[at : at + batch], values, strict=True):
                found[owner].append(value)
        progress(len(group))
    return [np.array(values, dtype=np.float64) for values in found]


def score_as_served(
    score: Score,
    clips: Clips,
    cut: Cut,
    *,
    batch: int,
    workers: int,
    progress: Callable[[int], None] = lambda _done: None,
) -> tuple[Scores, list[Scores]]:
    """Windows of whole recordings, and those of their first seconds alone."""
    whole, *beginnings = (
        score_clips(
            score,
            clips,
            cut,
            batch=batch,
            workers=workers,
            most_samples=None if seconds is None else int(seconds * SAMPLE_RATE_HZ),
            progress=progress,
        )
        for seconds in (None, *PROVISIONAL_SECONDS)
    )
    return whole, beginnings


def mean_probabilities(windows: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Mean P(spoof) over the windows of each recording (N,), NaN where there is none."""
    return np.array(
        [
            float((1 / (1 + np.exp(-odds.clip(-500, 500)))).mean()) if odds.size else np.nan
            for odds in windows
        ]
    )
