import gc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dfd.clients.sources.recording import open_recording
from dfd.streaming.options import AudioFormat, ModelTraits, SessionOptions
from dfd.streaming.session import StreamSession
from dfd.streaming.types import Encoding, Window, WindowResult, WindowStatus
from tests.cli.detecting import Floats, objects, run, speech, write
from tests.offline.loudness import SPEC, LoudnessDetector

pytestmark = pytest.mark.usefixtures("loudness")


@pytest.mark.parametrize(
    ("name", "rate", "subtype"),
    [
        ("a.wav", 8_000, "PCM_16"),
        ("a.flac", 44_100, "PCM_24"),
        ("a.wav", 48_000, "FLOAT"),
        ("a.wav", 8_000, "ULAW"),
    ],
)
def test_scores_are_those_of_the_core_in_other_chunks_and_batches(
    name: str, rate: int, subtype: str, tmp_path: Path, loudness: LoudnessDetector
) -> None:
    path = write(tmp_path / name, speech(7.3, rate), rate, subtype)
    recording = open_recording(path)
    found = recording.audio_format
    session = StreamSession(
        SessionOptions(AudioFormat(Encoding(found.encoding.value), rate), model=ModelTraits())
    )
    events = [event for chunk in recording.chunks(0.02) for event in session.feed(chunk)]
    expected = []
    for window in [*events, *session.finish()]:
        if not isinstance(window, Window):
            continue
        row = np.zeros((1, SPEC.window_samples), np.float32)
        row[0, : len(window.samples)] = window.samples
        score = float(loudness.score(row, np.array([len(window.samples)]))[0])
        status = WindowStatus.SCORED if window.scoreable else WindowStatus.INSUFFICIENT_SPEECH
        expected += [
            event.window_score.spoof_probability
            for event in session.resolve(window, status, score if window.scoreable else None)
            if isinstance(event, WindowResult) and event.window_score and not window.provisional
        ]
    summary = session.summary()[0]
    (got,) = objects(path, "--window-scores")
    assert got["window_scores"] == pytest.approx(expected, abs=1e-6)
    assert got["spoof_probability"] == pytest.approx(summary.mean_spoof_probability, abs=1e-6)
    assert summary.cumulative_score is not None
    assert got["spoof_llr"] == pytest.approx(summary.cumulative_score.spoof_llr, abs=1e-6)


def test_a_short_clip_is_scored_by_its_only_windows(tmp_path: Path) -> None:
    (found,) = objects(write(tmp_path / "a.wav", speech(1.5)), "--window-scores")
    assert found["n_windows"] == 1
    assert found["window_start_sec"] == [0.0]


def test_a_window_without_a_finite_score_does_not_count(
    tmp_path: Path, loudness: LoudnessDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        loudness, "score", lambda windows, lengths: np.full(len(lengths), np.nan, np.float32)
    )
    (found,) = objects(write(tmp_path / "a.wav", speech(6.0)))
    assert (found["n_windows"], found["spoof_probability"]) == (0, None)


def test_no_file_is_a_usage_error() -> None:
    result = run()
    assert result.exit_code == 2
    assert "FILE" in result.stderr


def test_windows_are_not_kept_in_memory(
    tmp_path: Path, loudness: LoudnessDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = loudness.score
    alive = []

    def counting(windows: Floats, lengths: NDArray[np.int64]) -> Floats:
        alive.append(sum(type(one) is Window for one in gc.get_objects()))
        return score(windows, lengths)

    monkeypatch.setattr(loudness, "score", counting)
    (found,) = objects(write(tmp_path / "a.wav", speech(120.0)))
    assert found["n_windows"] > 50
    assert len(alive) > 15
    assert max(alive) <= 2 * SPEC.batch_buckets[-1] + 2
