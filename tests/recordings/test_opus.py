"""Opus is decoded at the recorded rate, to the same samples as with libsndfile."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from dfd.recordings import Recording, open_recording, opus
from tests.recordings.made import encode, noise, tone

needs_libopus = pytest.mark.skipif(
    opus.library() is None, reason="no libopus: apt-get install libopus0"
)


def heard(recording: Recording) -> npt.NDArray[np.float32]:
    return np.concatenate(list(recording.read(4000)))


@needs_libopus
@pytest.mark.parametrize("rate", [16_000, 24_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_are_those_of_libsndfile(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "speech.opus"
    samples = np.stack([tone(3.0, rate)[: 3 * rate]] * channels, axis=1)
    samples[:, 0] += noise(3.0)[: 3 * rate // 2].repeat(2)[: 3 * rate] // 8
    soundfile.write(path, samples, rate, format="OGG", subtype="OPUS")
    recording = open_recording(path)
    assert (recording.sample_rate_hz, recording.channel_count) == (rate, channels)
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    found = heard(recording)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


@needs_libopus
def test_a_header_with_a_lower_rate_hides_no_band(tmp_path: Path) -> None:
    path = encode(tmp_path / "narrow.ogg", "libopus", tone(1.0, 8000), rate=8000)
    assert open_recording(path).sample_rate_hz == 16_000


def test_the_full_rate_is_left_to_libav(tmp_path: Path) -> None:
    path = encode(tmp_path / "full.ogg", "libopus", tone(1.0, 48_000), rate=48_000)
    assert open_recording(path).sample_rate_hz == 48_000


@needs_libopus
@pytest.mark.parametrize("suffix", ["mka", "ogg"])
def test_nothing_is_missing_at_the_start_and_at_the_end(tmp_path: Path, suffix: str) -> None:
    recording = open_recording(encode(tmp_path / f"a.{suffix}", "libopus", tone(2.0)))
    reading = recording.read(4000)
    samples = np.concatenate(list(reading))
    assert len(samples) / recording.sample_rate_hz == pytest.approx(2.0, abs=0.021)
    assert reading.findings == []


def test_without_libopus_libav_decodes_at_48_khz(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "a.ogg", "libopus", tone(2.0))
    monkeypatch.setattr(opus, "library", lambda: None)
    recording = open_recording(path)
    assert recording.sample_rate_hz == 48_000
    assert len(heard(recording)) / 48_000 == pytest.approx(2.0, abs=0.05)
