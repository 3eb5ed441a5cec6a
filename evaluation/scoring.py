"""Scores of recordings, window by window, as the daemon makes them.

A recording is cut into windows of 4 s with a hop of 2 s. A last window that adds less than a
second of new audio is left out, unless it is the only one. The recording's score is the
cumulative one: the mean window LLR times the effective number of windows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfd.evaluation.audio import SAMPLE_RATE_HZ, AudioCache, FloatArray

Condition = Callable[[FloatArray], FloatArray]


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


def window_starts(samples: int, options: WindowOptions) -> list[int]:
    """Starts of the windows that score a recording of ``samples``."""
    starts, covered = [0], options.window_samples
    while samples - covered >= options.least_new_samples:
        starts.append(starts[-1] + options.hop_samples)
        covered = starts[-1] + options.window_samples
    return starts


def effective_count(windows: int, correlation: float) -> float:
    """Give n / (1 + (n - 1) rho), the number of independent windows worth as much."""
    return windows / (1 + (windows - 1) * correlation)


def score_windows(
    scorer: Scorer,
    cache: AudioCache,
    options: WindowOptions | None = None,
    *,
    seconds: float | None = None,
    batch: int = 16,
    condition: Condition | None = None,
    progress: Callable[[], None] | None = None,
) -> list[npt.NDArray[np.float64]]:
    """Window scores of every recording of a cache, (n_i,) each; (0,) where it was unreadable.

    ``seconds`` scores only the beginning of each recording; ``condition`` changes its audio
    first (a codec, say).
    """
    options = options or WindowOptions()
    owners: list[int] = []
    pieces: list[FloatArray] = []
    scores: list[list[float]] = [[] for _ in cache.lengths]

    def flush() -> None:
        if not pieces:
            return
        longest = max(piece.size for piece in pieces)
        block = np.zeros((len(pieces), longest), dtype=np.float32)
        for slot, piece in enumerate(pieces):
            block[slot, : piece.size] = piece
        lengths = torch.tensor([piece.size for piece in pieces])
        with torch.inference_mode():
            values = scorer(torch.from_numpy(block), lengths).double().cpu().numpy()
        for owner, value in zip(owners, values, strict=True):
            scores[owner].append(float(value))
        owners.clear()
        pieces.clear()

    for row in range(len(cache.lengths)):
        wave = cache.waveform(row) if cache.lengths[row] else np.zeros(0, np.float32)
        if condition is not None and wave.size:
            wave = condition(wave)
        if seconds is not None:
            wave = wave[: int(seconds * SAMPLE_RATE_HZ)]
        for start in window_starts(wave.size, options) if wave.size else []:
            owners.append(row)
            pieces.append(wave[start : start + options.window_samples])
            if len(pieces) == batch:
                flush()
        if progress is not None:
            progress()
    flush()
    return [np.asarray(values, dtype=np.float64) for values in scores]


def pool(windows: list[npt.NDArray[np.float64]], correlation: float) -> npt.NDArray[np.float64]:
    """Cumulative score of each recording (R,); NaN for one without windows."""
    return np.array(
        [
            values.mean() * effective_count(values.size, correlation) if values.size else np.nan
            for values in windows
        ]
    )
