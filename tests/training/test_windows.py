from pathlib import Path

import numpy as np
import pytest
import soundfile
from torch import Tensor

from dfd.evaluation.corpus import Recording
from dfd.training.material.clips import Clips, scan
from dfd.training.windows import Cut, mean_probabilities, score_as_served, score_clips, windows_of


@pytest.mark.parametrize(
    ("samples", "lengths"),
    [(3, [3]), (4, [4]), (5, [4, 3]), (6, [4, 4]), (7, [4, 4, 3])],
)
def test_windows_until_the_end_is_heard(samples: int, lengths: list[int]) -> None:
    wave = np.arange(samples, dtype=np.float32)
    windows = windows_of(wave, Cut(4, 2))
    assert [window.size for window in windows] == lengths
    assert [window[0] for window in windows] == [2 * index for index in range(len(lengths))]
    assert len(windows_of(wave, Cut(4, 0))) == 1


@pytest.fixture
def ramps(tmp_path: Path) -> Clips:
    """Three recordings of 10, 5 and 7 s whose level tells the window; the second is gone."""
    rows = []
    for index, seconds in enumerate((10, 5, 7)):
        wave = np.repeat(np.arange(seconds) / 64 + 0.25 * index, 16_000).astype(np.float32)
        soundfile.write(str(tmp_path / f"{index}.wav"), wave, 16_000, subtype="FLOAT")
        rows.append(Recording(f"{index}.wav", index % 2))
    clips = scan(rows, tmp_path, "ramps", workers=1)
    (tmp_path / "1.wav").unlink()
    return clips


def first_sample(waves: Tensor, lengths: Tensor) -> Tensor:
    assert waves.shape[1] >= int(lengths.max())
    return waves[:, 0] * 64


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_scores_return_to_their_recordings(ramps: Clips, batch: int) -> None:
    told: list[int] = []
    scores = score_clips(first_sample, ramps, Cut(), batch=batch, workers=2, progress=told.append)
    assert [odds.tolist() for odds in scores] == [[0, 2, 4, 6], [], [32, 34, 36]]
    assert sum(told) == 3
    assert set(ramps.unreadable) == {"1.wav"}


def test_as_served_also_scores_beginnings(ramps: Clips) -> None:
    def seconds(_waves: Tensor, lengths: Tensor) -> Tensor:
        return lengths / 16_000

    whole, beginnings = score_as_served(seconds, ramps, Cut(), batch=2, workers=1)
    assert whole[2].tolist() == [4, 4, 3]
    assert [part[2].tolist() for part in beginnings] == [[1], [2]]


def test_mean_probabilities() -> None:
    found = mean_probabilities([np.array([0.0, 800.0]), np.array([]), np.array([-800.0])])
    assert found[0] == pytest.approx(0.75)
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(0.0)
