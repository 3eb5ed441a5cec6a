import numpy as np
import pytest
from numpy.typing import NDArray

from dfd.offline.batches import Batches
from dfd.offline.windows import cut
from dfd.streaming.options import ModelTraits
from dfd.streaming.types import Samples
from tests.streaming.helpers import silence


class Shapes:
    """Scores a window by its length; records the shape of each batch."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def score(self, windows: Samples, lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        self.seen.append(windows.shape)
        assert all(not row[n:].any() for row, n in zip(windows, lengths, strict=True))
        return lengths.astype(np.float32)


@pytest.mark.parametrize(("filled", "short"), [(True, 64_000), (False, 48_000)])
def test_each_recording_keeps_its_scores(filled: bool, short: int) -> None:
    scorer = Shapes()
    batches = Batches(scorer, 64_000, 2, filled=filled)
    made = [
        batches.add_windows(cut(silence(seconds), ModelTraits())) for seconds in (4, 5, 3, 6, 0)
    ]
    batches.flush()
    assert [scores.llrs.tolist() for scores in made] == [
        [64_000],
        [64_000, 48_000],
        [48_000],
        [64_000, 64_000],
        [],
    ]
    assert sorted(scorer.seen) == sorted([(2, 64_000), (2, short), (2, 64_000)])
