from pathlib import Path

import numpy as np
import pytest
import soundfile
from torch import Tensor

from dfd.evaluation.corpus import Recording
from dfd.streaming.options import ModelTraits
from dfd.training.material.clips import Clips, scan
from dfd.training.scoring import TorchScorer, score_clips


@pytest.fixture
def ramps(tmp_path: Path) -> Clips:
    """Makes three recordings of 10, 5 and 7 s whose level identifies the window; one is missing."""
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
    scores, _ = score_clips(
        TorchScorer(first_sample),
        ramps,
        ModelTraits(),
        filled=True,
        batch=batch,
        workers=2,
        progress=told.append,
    )
    # steady levels are not speech, so all windows are scored
    assert [found.llrs.tolist() for found in scores] == [[0, 2, 4, 6], [], [32, 34, 36]]
    assert sum(told) == 3
    assert set(ramps.unreadable) == {"1.wav"}


def test_beginnings_are_scored_as_well(ramps: Clips) -> None:
    def seconds(_waves: Tensor, lengths: Tensor) -> Tensor:
        return lengths / 16_000

    whole, beginnings = score_clips(
        TorchScorer(seconds),
        ramps,
        ModelTraits(),
        filled=False,
        batch=2,
        workers=1,
        beginnings=(1.0, 2.0),
    )
    assert whole[2].llrs.tolist() == [4, 4, 3]
    assert [part[[0, 2]].tolist() for part in beginnings] == [[1, 1], [2, 2]]
    assert all(np.isnan(part[1]) for part in beginnings)
