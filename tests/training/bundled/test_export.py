import numpy as np

from dfd.evaluation.audio import AudioCache
from dfd.evaluation.corpus import Recording
from dfd.training.bundled.export import rolling_peaks, streams_of


def test_streams_join_one_speaker() -> None:
    rows = [Recording("a", 0, source="s", speaker="x")] * 3 + [Recording("b", 1, source="s")]
    samples = np.repeat(np.arange(1, 5, dtype=np.int16)[:, None], 40, axis=1)
    heads, joined = streams_of(rows, AudioCache(samples, np.array([10, 20, 30, 40]), {}), 2)
    assert [head.speaker for head in heads] == ["x"]
    assert joined.lengths.tolist() == [30]
    assert joined.samples[0].tolist() == [1] * 10 + [2] * 20


def test_a_peak_is_of_five_windows() -> None:
    rising = np.array([-9.0, -9.0, 1.0, 2.0, 3.0, 4.0, 5.0, -9.0])
    # fully correlated windows are worth their mean
    assert rolling_peaks([rising, rising[:1]], 1.0).tolist() == [3.0, -9.0]
