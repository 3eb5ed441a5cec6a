from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.training.cache import LEVEL_RMS, build_cache, decode, level
from dfd.training.corpus import CorpusError, Recording, read_manifest


def test_levels_and_reuses(corpus: Path, tmp_path: Path) -> None:
    rows = read_manifest(corpus / "manifest.tsv", "train")
    ticks: list[int] = []
    cache = build_cache(rows, corpus, tmp_path, progress=lambda: ticks.append(1))
    assert len(ticks) == len(rows)
    wave = cache.waveform(3)
    assert wave.size == int(1.8 * 16_000)
    assert np.sqrt(np.mean(wave**2)) == pytest.approx(LEVEL_RMS, rel=1e-3)
    again = build_cache(rows, corpus, tmp_path, progress=lambda: ticks.append(1))
    assert len(ticks) == len(rows)
    assert np.array_equal(again.samples, cache.samples)


def test_unreadable_files_are_named(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.wav").write_bytes(b"not audio")
    rows = [Recording(str(corpus / "train-0.flac"), 0), Recording("junk.wav", 1)]
    cache = build_cache([*rows, Recording("none.wav", 1)], tmp_path, tmp_path / "cache")
    assert set(cache.unreadable) == {"junk.wav", "none.wav"}
    assert list(cache.lengths > 0) == [True, False, False]


def test_decode_mixes_and_resamples(tmp_path: Path) -> None:
    time = np.arange(8000) / 8000
    stereo = np.stack([np.sin(2 * np.pi * 440 * time), np.zeros(8000)], axis=1)
    soundfile.write(str(tmp_path / "s.wav"), stereo, 8000)
    wave = decode(tmp_path / "s.wav")
    assert wave.shape == (16_000,)
    assert np.abs(wave).max() == pytest.approx(0.5, abs=0.05)


def test_an_empty_file(tmp_path: Path) -> None:
    soundfile.write(str(tmp_path / "e.wav"), np.zeros(0), 16_000)
    with pytest.raises(CorpusError, match="no samples"):
        decode(tmp_path / "e.wav")


def test_silence_stays_silence() -> None:
    assert not level(np.full(100, 0.25, np.float32)).any()
