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
    wave = decode(tmp_path / "s.wav")
    assert wave.shape == (16_000,)
    assert np.abs(wave).max() == pytest.approx(0.5, abs=0.05)


def test_an_empty_file(tmp_path: Path) -> None:
    soundfile.write(str(tmp_path / "e.wav"), np.zeros(0), 16_000)
    with pytest.raises(UserError, match="no samples"):
        decode(tmp_path / "e.wav")


def test_silence_stays_silence() -> None:
    assert not level(np.full(100, 0.25, np.float32)).any()
