from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.errors import UserError
from dfd.evaluation.audio import decode, level


def test_decode_mixes_and_resamples(tmp_path: Path) -> None:
    time = np.arange(8000) / 8000
    stereo = np.stack([np.sin(2 * np.pi * 440 * time), np.zeros(8000)], axis=1)
    soundfile.write(str(tmp_path / "s.wav"), stereo, 8000)
    wave = decode(tmp_path / "s.wav").samples
    assert wave.shape == (16_000,)
    assert np.abs(wave).max() == pytest.approx(0.5, abs=0.05)


def test_an_empty_file(tmp_path: Path) -> None:
    soundfile.write(str(tmp_path / "e.wav"), np.zeros(0), 16_000)
    with pytest.raises(UserError, match="holds no audio"):
        decode(tmp_path / "e.wav")


def test_missing_parts_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 64_000), 16_000)
    assert decode(path).missing == ""
    path.write_bytes(path.read_bytes()[:60_000])
    decoded = decode(path)
    assert 0 < decoded.samples.size < 64_000
    assert "cut: the header promises 4.0 s" in decoded.missing


def test_silence_stays_silence() -> None:
    assert not level(np.full(100, 0.25, np.float32)).any()
