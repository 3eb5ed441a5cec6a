"""Scores of recordings, window by window, as the daemon makes them.

How a recording becomes one score is the model's ``utterance_score``:

- ``evidence``: windows of 4 s with a hop of 2 s, a last one that adds less than a second of new
  audio left out; the mean window LLR times the effective number of windows
- ``mean``: windows until all is covered, the last one padded; the mean of their P(spoof), given
  as log-odds
- ``first``: the first window alone
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from dfd.evaluation.audio import SAMPLE_RATE_HZ, AudioCache, FloatArray
from dfd.evaluation.figures.calibration import log_odds, probability

if TYPE_CHECKING:
    from torch import Tensor

Scores = npt.NDArray[np.float64]
Score = Callable[[FloatArray, npt.NDArray[np.int64]], npt.NDArray[np.floating]]


class Scorer(Protocol):
    """Windows float32 (B, N) and lengths int64 (B,) to spoof log-likelihood ratios (B,)."""

    def __call__(self, windows: Tensor, lengths: Tensor, /) -> Tensor:
        """Score one batch."""


@dataclass(frozen=True)
class WindowOptions:
    """How recordings are cut and how the scores of their windows are pooled."""

    window_samples: int = 64_000
    hop_samples: int = 32_000
    least_new_samples: int = SAMPLE_RATE_HZ
    evidence_correlation: float = 1.0
    utterance_score: str = "evidence"


def window_starts(samples: int, options: WindowOptions) -> list[int]:
    """Starts of the windows that score a recording of ``samples``; none where it has none."""
    if samples < 1:
        return []
    least = {"evidence": options.least_new_samples, "mean": 1, "first": samples + 1}
    starts, covered = [0], options.window_samples
    while samples - covered >= least[options.utterance_score]:
        starts.append(starts[-1] + options.hop_samples)
        covered = starts[-1] + options.window_samples
    return starts


def effective_count(windows: int, correlation: float) -> float:
    """Give n / (1 + (n - 1) rho), the number of independent windows worth as much."""
    return windows / (1 + (windows - 1) * correlation)


class Batches:
    """Collects windows of many recordings and scores them in batches.

    Whole and short windows are kept apart, so that whole ones need no mask.
    """

    def __init__(self, score: Score, window_samples: int, batch: int) -> None:
        self._score = score
        self._window_samples = window_samples
        self._batch = batch
        self._waiting: dict[bool, list[tuple[FloatArray, Scores, int]]] = {True: [], False: []}

    def add(self, window: FloatArray, into: Scores, at: int) -> None:
        """Queues one window; its score will be written to ``into[at]``, by ``flush`` at last."""
        queue = self._waiting[window.size == self._window_samples]
        queue.append((window, into, at))
        if len(queue) == self._batch:
            self._run(queue)

    def add_recording(self, wave: FloatArray, options: WindowOptions) -> Scores:
        """Queues the windows of a recording; returns where their scores (n,) will stand."""
        starts = window_starts(wave.size, options)
        into = np.full(len(starts), np.nan)
        for at, start in enumerate(starts):
            self.add(wave[start : start + options.window_samples], into, at)
        return into

    def flush(self) -> None:
        """Scores what is waiting."""
        for queue in self._waiting.values():
            self._run(queue)

    def _run(self, queue: list[tuple[FloatArray, Scores, int]]) -> None:
        if not queue:
            return
        block = np.zeros((len(queue), max(window.size for window, _, _ in queue)), np.float32)
        for row, (window, _, _) in zip(block, queue, strict=True):
            row[: window.size] = window
        lengths = np.array([window.size for window, _, _ in queue], dtype=np.int64)
        for (_, into, at), value in zip(queue, self._score(block, lengths).tolist(), strict=True):
            into[at] = value
        queue.clear()


def score_windows(
    scorer: Scorer,
    cache: AudioCache,
    options: WindowOptions | None = None,
    *,
    seconds: float | None = None,
    batch: int = 16,
) -> list[Scores]:
    """Window scores of every recording of a cache, (n_i,) each; (0,) where it was unreadable.

    ``seconds`` scores only the beginning of each recording.
    """
    import torch

    def score(windows: FloatArray, lengths: npt.NDArray[np.int64]) -> Scores:
        with torch.inference_mode():
            made = scorer(torch.from_numpy(windows), torch.from_numpy(lengths))
        return np.asarray(made.double().cpu().numpy())

    options = options or WindowOptions()
    batches = Batches(score, options.window_samples, batch)
    most = None if seconds is None else int(seconds * SAMPLE_RATE_HZ)
    scores = [
        batches.add_recording(cache.waveform(row)[:most], options)
        for row in range(len(cache.lengths))
    ]
    batches.flush()
    return scores


def pool(
    windows: list[Scores], correlation: float, utterance_score: str = "evidence"
) -> npt.NDArray[np.float64]:
    """Score of each recording (R,) from its window LLRs; NaN for one without windows."""
    return np.array([pool_one(values, correlation, utterance_score) for values in windows])


def pool_one(values: Scores, correlation: float, utterance_score: str = "evidence") -> float:
    """Score of one recording from its window LLRs (n,); NaN where there is none, or one is NaN."""
    if not values.size:
        return float("nan")
    if utterance_score == "evidence":
        return float(values.mean() * effective_count(values.size, correlation))
    if utterance_score == "first":
        return float(values[0])
    return float(log_odds(probability(values).mean()))
