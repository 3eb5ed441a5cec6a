import numpy as np

from dfd.evaluation.audio import AudioCache
from dfd.evaluation.corpus import Recording
from dfd.training.bundled.export import joined


def test_streams_join_one_speaker() -> None:
    rows = [Recording("a", 0, source="s", speaker="x")] * 7 + [Recording("b", 1, source="s")] * 2
    samples = np.repeat(np.arange(1, 10, dtype=np.int16)[:, None], 90, axis=1)
    lengths = np.array([10, 20, 0, 30, 10, 10, 10, 80, 90])
    labels, streams = joined(rows, AudioCache(samples, lengths, {}))
    assert labels == [0, 1]
    assert streams.lengths.tolist() == [90, 170]
    assert streams.samples[0, :60].tolist() == [1] * 10 + [2] * 20 + [4] * 30
