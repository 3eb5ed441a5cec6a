"""Scores of recordings by a network that is being trained, as they will be served."""

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
    """A function of tensors, windows (B, N) and lengths (B,) to log-odds (B,), as a `Scorer`."""

    def __init__(self, network: Callable[[Tensor, Tensor], Tensor]) -> None:
        self._network = network

    def score(self, windows: Samples, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Takes (B, N) windows of the given lengths to log-odds (B,)."""
        with torch.inference_mode():
            made = self._network(torch.from_numpy(windows), torch.from_numpy(lengths))
        return np.asarray(made.float().cpu().numpy())


def score_cache(scorer: Scorer, cache: AudioCache, model: ModelTraits) -> list[WindowScores]:
    """The windows of every recording of a cache, none where it was unreadable."""
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
    """Log-odds (R,) of the first seconds of every recording, at most a window of them."""
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
    """The windows of every recording, and log-odds (R,) of their first seconds.

    A broken file has no windows, and NaN in place of log-odds.

    Args:
        scorer: scores them.
        clips: the recordings.
        model: how they are cut.
        filled: every window is filled up with zeros; otherwise a batch is as long as its longest.
        batch: windows that are scored at once.
        workers: threads that read ahead.
        beginnings: seconds of the beginnings.
        progress: told how many recordings are done at once.
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
