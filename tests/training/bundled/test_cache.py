from pathlib import Path

import numpy as np
import pytest

from dfd.evaluation.audio import LEVEL_RMS
from dfd.evaluation.corpus import Recording, read_manifest
from dfd.training.bundled.cache import build_cache


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
