import numpy as np
import pytest
import torch

from dfd.evaluation.audio import AudioCache
from dfd.evaluation.scoring.windows import (
    WindowOptions,
    effective_count,
    pool,
    score_windows,
    window_starts,
)


def cache(lengths: list[int]) -> AudioCache:
    samples = np.zeros((len(lengths), max(lengths)), dtype=np.int16)
    for row, length in enumerate(lengths):
        samples[row, :length] = row + 1
    return AudioCache(samples, np.array(lengths), {})


def test_windows_cover_what_is_worth_it() -> None:
    options = WindowOptions()
    assert window_starts(10_000, options) == [0]
    assert window_starts(67_200, options) == [0]
    assert window_starts(80_000, options) == [0, 32_000]
    assert window_starts(128_000, options) == [0, 32_000, 64_000]


def test_scores_every_window_of_its_recording() -> None:
    def scorer(windows: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        assert all(not windows[i, n:].any() for i, n in enumerate(lengths))
        return windows[:, 0] * 32768 + lengths / 1e6

    scores = score_windows(scorer, cache([64_000, 0, 128_000, 8_000]), batch=2)
    assert [values.size for values in scores] == [1, 0, 3, 1]
    assert scores[2] == pytest.approx(np.full(3, 3.064), abs=1e-4)
    assert score_windows(scorer, cache([64_000]), seconds=1.0)[0][0] == pytest.approx(1.016)


def test_pooling() -> None:
    assert effective_count(5, 0.0) == 5
    assert effective_count(5, 1.0) == 1
    pooled = pool([np.array([1.0, 3.0]), np.zeros(0)], 0.5)
    assert pooled[0] == pytest.approx(2.0 * 2 / 1.5)
    assert np.isnan(pooled[1])
