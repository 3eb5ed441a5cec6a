"""A recording has the same score, whichever part of dfd scores it."""

from collections.abc import Iterator

import numpy as np
import pytest

from dfd.detector.traits import traits
from dfd.offline.batches import Batches
from dfd.offline.recording import score_recording
from dfd.offline.windows import cut
from dfd.streaming.options import AudioFormat
from dfd.streaming.types import Encoding, Samples
from tests.offline.loudness import LoudnessDetector
from tests.streaming.helpers import silence, speech_like

CALLS = {
    "short": speech_like(2.5),
    "pauses": np.concatenate([speech_like(3.0), silence(5.0), 2 * speech_like(6.3, seed=1)]),
    "long": np.concatenate([speech_like(9.1), 0.3 * speech_like(20.0, seed=2)]),
}


def chunks(wave: Samples) -> Iterator[bytes]:
    for at in range(0, len(wave), 4_000):
        yield wave[at : at + 4_000].astype("<f4").tobytes()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("utterance_score", ["evidence", "mean", "first"])
def test_offline_scores_match_those_of_a_stream(call: str, utterance_score: str) -> None:
    wave = CALLS[call]
    detector = LoudnessDetector(utterance_score=utterance_score)
    (track,) = score_recording(chunks(wave), AudioFormat(Encoding.FLOAT32, 16_000), detector)
    streamed = track.summary.cumulative_score
    assert streamed is not None
    model = traits(detector.spec)
    batches = Batches(detector, model.window_samples, 4)
    measured = batches.add_windows(cut(wave, model))
    batches.flush()
    assert measured.score(model) == pytest.approx(streamed.spoof_llr, abs=1e-5)


def test_windows_are_scored_in_the_largest_batches() -> None:
    detector = LoudnessDetector()
    (track,) = score_recording(
        chunks(CALLS["long"]), AudioFormat(Encoding.FLOAT32, 16_000), detector
    )
    # only windows are scored, including provisional ones, three at once
    assert max(detector.batches) == 3
    assert sum(detector.batches) > track.windows == 14
