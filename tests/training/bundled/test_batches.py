from pathlib import Path

import numpy as np
import pytest
import torch

from dfd.evaluation.audio import AudioCache
from dfd.evaluation.corpus import Recording, read_manifest
from dfd.evaluation.telephone.codecs import Codec
from dfd.training.bundled.banks import BankOptions, codec_bank, copy_bank, spoken_bank
from dfd.training.bundled.batches import Bank, Drawing, Sampler
from dfd.training.bundled.cache import build_cache

_NO_VOICE = "no eSpeak NG to speak with: pip install 'dfd[train]'"


def bank(fill: int, label: int, kind: str, length: int = 100) -> Bank:
    samples = np.full((4, 100), fill, dtype=np.int16)
    return Bank(kind, [Recording("f", label)] * 4, samples, np.full(4, length))


def test_draws_both_labels_in_the_given_shares() -> None:
    sampler = Sampler([bank(1, 0, "a"), bank(2, 1, "b"), bank(3, 1, "c"), bank(4, 1, "c")], 0)
    sampler.share({"a": (1, 0), "b": (0, 0.75), "c": (0, 0.25)})
    waves, clean, lengths, labels, taught, paired = sampler.draw(2000, 50)
    assert labels.tolist() == [0, 1] * 1000
    assert (lengths == 50).all()
    assert torch.equal(waves, clean)
    assert taught.all()
    assert not paired.any()
    fills = (waves[:, 0] * 32768).round()
    assert (fills[labels == 0] == 1).all()
    assert (fills == 2).sum().item() == pytest.approx(750, abs=60)
    assert (fills == 4).sum().item() == pytest.approx(125, abs=40)


def test_short_and_unreadable_recordings() -> None:
    banks = [bank(1, 0, "a", 30), bank(2, 1, "a"), bank(9, 1, "b", 0)]
    waves, _, lengths, labels, *_ = Sampler(banks, 0).draw(8, 60)
    assert (lengths[labels == 0] == 30).all()
    assert not waves[labels == 0, 30:].any()
    assert (waves * 32768).max() < 8.5


def sources(*named: tuple[str, int, str]) -> Bank:
    """Makes a bank of recordings (source, label, system) whose samples are their row number."""
    rows = [Recording("f", label, source=source, system=system) for source, label, system in named]
    samples = np.repeat(np.arange(len(named), dtype=np.int16)[:, None], 100, axis=1)
    return Bank("a", rows, samples, np.full(len(named), 100))


def test_pairs_come_from_one_source() -> None:
    both = [("x", 0, ""), ("x", 0, ""), ("x", 1, "s"), ("y", 0, ""), ("y", 0, ""), ("y", 1, "t")]
    bank = sources(*both, ("people", 0, ""), ("machines", 1, "u"))
    drawn = Sampler([bank], 0, Drawing(paired_chance=0.6)).draw(2000, 50)
    rows = (drawn.waves[:, 0] * 32768).round().long().tolist()
    assert drawn.paired.float().mean().item() == pytest.approx(0.6, abs=0.06)
    assert torch.equal(drawn.paired[::2], drawn.paired[1::2])
    for at in range(0, 2000, 2):
        first, second = (bank.recordings[row] for row in rows[at : at + 2])
        assert (first.label, second.label) == (0, 1)
        if drawn.paired[at]:
            assert first.source == second.source
    assert {"people", "machines"} <= {bank.recordings[row].source for row in rows}


def test_sources_and_systems_are_drawn_by_square_roots() -> None:
    large = [("large", 1, "often")] * 14 + [("large", 1, "seldom")] * 2
    bank = sources(("x", 0, ""), *large, *[("small", 1, "s")] * 4)
    drawn = Sampler([bank], 0, Drawing(root_sources=True)).draw(6000, 50)
    rows = (drawn.waves[1::2, 0] * 32768).round().long()
    # sources 4 to 2, and within the large one systems 14 to 2, by square roots
    assert (rows >= 17).float().mean().item() == pytest.approx(1 / 3, abs=0.04)
    seldom = ((rows == 15) | (rows == 16)).float().mean().item()
    assert seldom == pytest.approx(2 / 3 * 2**0.5 / (2**0.5 + 14**0.5), abs=0.04)


def test_the_clean_crop_is_the_same_stretch() -> None:
    ramp = np.tile(np.arange(100, dtype=np.int16), (4, 1))
    rows = [Recording("f", label) for label in (0, 0, 1, 1)]
    through = Bank("codec", rows, -ramp, np.full(4, 100), clean=ramp)
    waves, clean, *_ = Sampler([through], 0).draw(8, 30)
    assert torch.equal(waves, -clean)
    assert clean.any()


def test_both_labels_are_needed() -> None:
    with pytest.raises(ValueError, match="label 1"):
        Sampler([bank(1, 0, "a")], 0)
    sampler = Sampler([bank(1, 0, "a"), bank(2, 1, "b")], 0)
    with pytest.raises(ValueError, match="label 1"):
        sampler.share({"a": (1, 1)})


def test_copies_get_the_codec_of_their_originals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []

    def through(samples: np.ndarray, codec: Codec) -> np.ndarray:
        used.append(codec.name)
        return samples[: samples.size // 2]

    monkeypatch.setattr("dfd.training.bundled.banks.through_codec", through)
    noise = np.random.default_rng(0).normal(0.0, 3000.0, (2, 67_200)).astype(np.int16)
    cache = AudioCache(noise, np.full(2, 67_200), {})
    rows = [Recording("a.flac", 0), Recording("b.opus", 0)]
    options = BankOptions(copy_synthesis=(("phase-vocoder", 1.0),))
    made = copy_bank(rows, cache, tmp_path, options)
    assert used == ["opus-48k"]
    assert made.samples[:, 40_000:].any(axis=1).tolist() == [True, False]


@pytest.fixture
def rows(corpus: Path) -> list[Recording]:
    return read_manifest(corpus / "manifest.tsv", "train")


@pytest.fixture
def cache(corpus: Path, rows: list[Recording], tmp_path: Path) -> AudioCache:
    return build_cache(rows, corpus, tmp_path / "cache")


def test_copies_are_spoofs_of_the_same_source(
    rows: list[Recording], cache: AudioCache, tmp_path: Path
) -> None:
    options = BankOptions(copy_synthesis=(("mel-phase", 1.0), ("phase-vocoder", 1.0)))
    ticks: list[int] = []
    made = copy_bank(rows, cache, tmp_path, options, 0, lambda: ticks.append(1))
    assert [row.label for row in made.recordings] == [1] * 6
    assert [row.source for row in made.recordings] == [r.source for r in rows if r.label == 0]
    assert {row.system for row in made.recordings} == {"copy:mel-phase", "copy:phase-vocoder"}
    assert made.kind == "copy"
    # a second call finds everything rendered
    again = copy_bank(rows, cache, tmp_path, options, 0, lambda: ticks.append(1))
    assert len(ticks) == 6
    assert np.array_equal(made.samples, again.samples)


def test_other_options_or_recordings_are_rendered_again(
    rows: list[Recording], cache: AudioCache, tmp_path: Path
) -> None:
    ticks: list[int] = []
    for names, count in (("mel-phase", 6), ("phase-vocoder", 6), ("phase-vocoder", 4)):
        options = BankOptions(copy_synthesis=((names, 1.0),))
        few = AudioCache(cache.samples[:count], cache.lengths[:count], {}, f"first {count}")
        made = copy_bank(rows[:count], few, tmp_path, options, 0, lambda: ticks.append(1))
        assert {row.system for row in made.recordings} == {f"copy:{names}"}
    humans = [row.label == 0 for row in rows]
    assert len(ticks) == 2 * sum(humans[:6]) + sum(humans[:4])


def test_codecs_keep_labels(
    rows: list[Recording],
    cache: AudioCache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def half(samples: np.ndarray, codec: Codec) -> np.ndarray:
        return samples[: samples.size // 2]

    monkeypatch.setattr("dfd.training.bundled.banks.through_codec", half)
    made = codec_bank(rows, cache, tmp_path)
    assert [row.label for row in made.recordings] == [row.label for row in rows]
    assert made.kind == "codec"
    assert made.clean is cache.samples


def test_spoken_sentences_go_through_opus_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("espeakng_loader", reason=_NO_VOICE)
    used: list[str] = []

    def through(samples: np.ndarray, codec: Codec) -> np.ndarray:
        used.append(codec.name)
        return samples

    monkeypatch.setattr("dfd.training.bundled.banks.through_codec", through)
    spoken_bank(BankOptions(spoken=2, spoken_opus_chance=1.0))
    assert used == ["opus-48k"] * 2
    spoken_bank(BankOptions(spoken=2, spoken_opus_chance=0.0))
    assert len(used) == 2


def test_spoken_sentences_are_spoofs_as_long_as_they_are() -> None:
    pytest.importorskip("espeakng_loader", reason=_NO_VOICE)
    ticks: list[int] = []
    made = spoken_bank(BankOptions(spoken=3), lambda: ticks.append(1))
    assert [row.label for row in made.recordings] == [1, 1, 1]
    assert {row.source for row in made.recordings} == {"eSpeak NG"}
    drawn = Sampler([bank(1, 0, "a"), made], 0).draw(4, 100)
    assert drawn.taught.tolist() == [True, False, True, False]
    assert (made.lengths > 2 * 16_000).all()
    assert all(made.samples[row, : made.lengths[row]].any() for row in range(3))
    assert len(ticks) == 3
