import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.errors import UserError
from dfd.evaluation.corpus import Recording
from dfd.training.material.clips import batches_by_length, collate, prefetch, scan
from dfd.training.material.splits import corpus_splits


def test_scan_measures_at_16_khz_and_names_skipped_files(corpus: Path, tmp_path: Path) -> None:
    soundfile.write(str(tmp_path / "slow.wav"), np.zeros(4_000, np.float32), 8_000)
    soundfile.write(str(tmp_path / "human.wav"), np.zeros(100, np.float32), 16_000)
    soundfile.write(str(tmp_path / "empty.wav"), np.zeros(0, np.float32), 16_000)
    (tmp_path / "text.flac").write_text("no audio")
    rows = [
        Recording("slow.wav", 1),
        Recording("gone.wav", 1),
        Recording("text.flac", 0),
        Recording("empty.wav", 0),
        Recording("human.wav", 0),
    ]
    clips = scan(rows, tmp_path, "mine", workers=2)
    assert [row.file for row in clips.recordings] == ["slow.wav", "human.wav"]
    assert clips.lengths.tolist() == [8_000, 100]
    assert set(clips.unreadable) == {"gone.wav", "text.flac", "empty.wav"}
    assert "does not exist" in clips.unreadable["gone.wav"]
    assert "holds no audio" in clips.unreadable["empty.wav"]


def test_scan_refuses_a_label_without_files(tmp_path: Path) -> None:
    soundfile.write(str(tmp_path / "a.wav"), np.zeros(100, np.float32), 16_000)
    with pytest.raises(UserError, match=r"mine .*no spoof recordings"):
        scan([Recording("a.wav", 0), Recording("b.wav", 1)], tmp_path, "mine", workers=1)
    with pytest.raises(UserError, match=r"no recording below .* can be read"):
        scan([Recording("b.wav", 1)], tmp_path, "mine", workers=1)


def test_a_file_broken_behind_its_header_is_noted(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=16_000).astype(np.float32) / 8
    soundfile.write(tmp_path / "b.flac", noise, 16_000)
    noise[15_000] = np.nan
    soundfile.write(tmp_path / "a.wav", noise, 16_000, subtype="FLOAT")
    clips = scan([Recording("a.wav", 0), Recording("b.flac", 1)], tmp_path, "mine", workers=1)
    assert clips.read(0) is None
    assert set(clips.unreadable) == {"a.wav"}
    assert clips.read(1) is not None


def test_a_file_that_is_cut_is_used_and_noted(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=64_000).astype(np.float32) / 8
    for name in ("a.flac", "b.flac"):
        soundfile.write(tmp_path / name, noise, 16_000)
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2])
    clips = scan([Recording("a.flac", 0), Recording("b.flac", 1)], tmp_path, "mine", workers=1)
    assert all(clips.read(row) is not None for row in (0, 1))
    assert "cut: the header promises 4.0 s" in clips.incomplete["a.flac"]
    assert set(clips.incomplete) == {"a.flac"}


def test_batches_have_every_row_once_with_similar_lengths() -> None:
    generator = np.random.default_rng(0)
    lengths = generator.integers(1_000, 200_000, 390)
    batches = batches_by_length(lengths, 8, generator)
    assert sorted(np.concatenate(batches).tolist()) == list(range(390))
    spread = [np.ptp(lengths[batch]) for batch in batches if len(batch) == 8]
    assert np.median(spread) < 10_000
    longest = [lengths[batch].max() for batch in batches]
    assert longest != sorted(longest)


def test_batches_of_rows_alike_are_shuffled() -> None:
    batches = batches_by_length(np.zeros(64, np.int64), 8, np.random.default_rng(0))
    assert all(np.ptp(batch) > 8 for batch in batches)


def test_collate_pads_with_zeros() -> None:
    pieces = [np.ones(3, np.float32), np.ones(5, np.float32)]
    batch = collate(pieces, [0, 1])
    assert batch.waves.shape == (2, 5)
    assert batch.waves[0].tolist() == [1, 1, 1, 0, 0]
    assert batch.lengths.tolist() == [3, 5]
    assert collate(pieces, [0, 1], 9).waves.shape == (2, 9)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_prefetch_keeps_the_order(workers: int) -> None:
    assert list(prefetch(lambda job: job * 2, range(20), workers)) == [2 * n for n in range(20)]


def test_prefetch_works_in_several_threads_at_once() -> None:
    together = threading.Barrier(3, timeout=60)

    def work(_job: int) -> int:
        return together.wait()

    assert sorted(prefetch(work, range(3), 3)) == [0, 1, 2]


def test_prefetch_passes_an_error_on_and_stops() -> None:
    def work(job: int) -> int:
        return 1 // (2 - job)

    made = prefetch(work, range(100), 2)
    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(made)


def test_corpus_decodes(corpus: Path) -> None:
    splits = corpus_splits(corpus)
    clips = scan(splits.train, corpus, "train", workers=2)
    wave = clips.read(3)
    assert wave is not None
    assert wave.size == clips.lengths[3] == int(1.8 * 16_000)
