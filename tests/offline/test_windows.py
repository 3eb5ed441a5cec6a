import numpy as np
import pytest

from dfd.offline.windows import cut
from dfd.streaming.options import ModelTraits, UtteranceScore
from tests.streaming.helpers import silence, speech_like

MODEL = ModelTraits(min_speech_seconds=1.0)


def spans(wave: np.ndarray, model: ModelTraits = MODEL) -> list[tuple[float, float]]:
    return [(window.start_seconds, window.end_seconds) for window in cut(wave, model)]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (3.0, [(0.0, 3.0)]),
        (4.0, [(0.0, 4.0)]),
        (5.5, [(0.0, 4.0), (2.0, 5.5)]),
        (8.0, [(0.0, 4.0), (2.0, 6.0), (4.0, 8.0)]),
    ],
)
def test_all_audio_is_covered(seconds: float, expected: list[tuple[float, float]]) -> None:
    assert spans(speech_like(seconds)) == expected


def test_windows_without_enough_speech_are_left_out() -> None:
    wave = np.concatenate([speech_like(4.0), silence(6.0), speech_like(2.0)])
    assert spans(wave) == [(0.0, 4.0), (2.0, 6.0), (8.0, 12.0)]


def test_a_recording_of_little_speech_gives_all_its_windows() -> None:
    assert spans(silence(6.0)) == [(0.0, 4.0), (2.0, 6.0)]


def test_samples_are_the_recording_s() -> None:
    wave = speech_like(5.0)
    first, last = cut(wave, MODEL)
    assert np.array_equal(first.samples, wave[:64_000])
    assert np.array_equal(last.samples, wave[32_000:])


def test_the_first_window_alone() -> None:
    model = ModelTraits(min_speech_seconds=1.0, utterance_score=UtteranceScore.FIRST)
    assert spans(np.concatenate([silence(4.0), speech_like(6.0)]), model) == [(2.0, 6.0)]


def test_no_audio_gives_no_windows() -> None:
    assert spans(silence(0.0)) == []
