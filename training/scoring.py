"""Scores recordings by a network in training, as the daemon will score them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfd.detector.spec import Scorer
from dfd.evaluation.audio import SAMPLE_RATE_HZ, AudioCache
from dfd.offline.batches import Batches
from dfd.offline.scores import NO_WINDOWS, Scores, WindowScores
from dfd.offline.windows import cut
from dfd.streaming.options import ModelTraits
from dfd.streaming.types import Samples, Window
from dfd.training.material.clips import Clips, prefetch

BATCH = 16


class TorchScorer:
    """Makes a `Scorer` of a function from windows (B, N) and lengths (B,) to log-odds (B,)."""

    def __init__(self, network: Callable[[Tensor, Tensor], Tensor]) -> None:
        self._network = network

    def score(self, windows: Samples, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Takes (B, N) windows of the given lengths to log-odds (B,)."""
        with torch.inference_mode():
            made = self._network(torch.from_numpy(windows), torch.from_numpy(lengths))
        return np.asarray(made.float().cpu().numpy())


def score_cache(scorer: Scorer, cache: AudioCache, model: ModelTraits) -> list[WindowScores]:
    """Returns the windows of every recording of a cache; none for an unreadable one."""
    batches = Batches(scorer, model.window_samples, BATCH)
    scores = [
        batches.add_windows(cut(cache.waveform(row), model)) if length else NO_WINDOWS
        for row, length in enumerate(cache.lengths)
    ]
    batches.flush()
    return scores


def score_beginnings(
    scorer: Scorer, cache: AudioCache, seconds: float, model: ModelTraits
) -> Scores:
    """Returns log-odds (R,) of the first seconds of every recording, at most one window."""
    batches = Batches(scorer, model.window_samples, BATCH)
    scores = np.full(len(cache.lengths), np.nan)
    for row, length in enumerate(cache.lengths):
        if length:
            batches.add(cache.waveform(row)[: int(seconds * SAMPLE_RATE_HZ)], scores, row)
    batches.flush()
    return scores


def score_clips(
    scorer: Scorer,
    clips: Clips,
    model: ModelTraits,
    *,
    filled: bool,
    batch: int,
    workers: int,
    beginnings: tuple[float, ...] = (),
    progress: Callable[[int], None] = lambda _done: None,
) -> tuple[list[WindowScores], list[Scores]]:
    """Returns the windows of every recording, and log-odds (R,) of their first seconds.

    A broken file has no windows, and NaN in place of log-odds.

    Args:
        scorer: scores the windows.
        clips: the recordings.
        model: how to cut them.
        filled: whether every window is padded with zeros, or a batch only to its longest.
        batch: number of windows scored at once.
        workers: number of threads that read ahead.
        beginnings: lengths of the first seconds to score.
        progress: called with the number of recordings done since the last call.
    """
    batches = Batches(scorer, model.window_samples, batch, filled=filled)
    whole = [NO_WINDOWS] * len(clips.recordings)
    first = [np.full(len(clips.recordings), np.nan) for _ in beginnings]
    order = np.argsort(clips.lengths, kind="stable").tolist()

    def load(row: int) -> tuple[list[Samples], list[Window]] | None:
        wave = clips.read(row)
        if wave is None:
            return None
        return [wave[: int(s * SAMPLE_RATE_HZ)] for s in beginnings], cut(wave, model)

    for row, made in zip(order, prefetch(load, order, workers), strict=True):
        if made is not None:
            pieces, windows = made
            whole[row] = batches.add_windows(windows)
            for into, piece in zip(first, pieces, strict=True):
                batches.add(piece, into, row)
        progress(1)
    batches.flush()
    return whole, first
