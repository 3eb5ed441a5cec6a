import dataclasses
from pathlib import Path

import numpy as np
import pytest

from dfd.streaming.options import UtteranceScore
from dfd.training.finetune.audio import scoring_traits, training_batch, with_noise
from dfd.training.finetune.recipe import TOP4_MLP, TWO_STAGE, XLSR_HALF
from dfd.training.material.clips import Clips, scan
from dfd.training.material.splits import corpus_splits

ROWS = np.array([0, 5])


@pytest.fixture(scope="module")
def clips(corpus: Path) -> Clips:
    return scan(corpus_splits(corpus).train, corpus, "train", workers=1)


def test_zero_padding_fills_the_clip(clips: Clips) -> None:
    recipe = dataclasses.replace(TWO_STAGE, noise_chance=0.0)
    batch = training_batch(clips, ROWS, recipe, np.random.default_rng(0))
    assert batch is not None
    assert batch.waves.shape == (2, 64_000)
    assert batch.lengths.tolist() == [24_000, 32_000]
    assert batch.labels.tolist() == [0, 1]
    assert batch.waves[0, 24_000:].abs().max() == 0


def test_masked_clips_are_as_long_as_the_longest(clips: Clips) -> None:
    batch = training_batch(clips, ROWS, XLSR_HALF, np.random.default_rng(0))
    assert batch is not None
    assert batch.waves.shape == (2, 32_000)


def test_clips_start_at_the_start_or_anywhere(clips: Clips) -> None:
    whole = clips.read(5)
    assert whole is not None
    first = dataclasses.replace(TOP4_MLP, clip_samples=8_000)
    anywhere = dataclasses.replace(first, start="random")
    for recipe, wanted in ((first, 1), (anywhere, 6)):
        found = set()
        for seed in range(6):
            batch = training_batch(clips, np.array([5]), recipe, np.random.default_rng(seed))
            assert batch is not None
            starts = [
                at
                for at in np.flatnonzero(whole == float(batch.waves[0, 0]))
                if np.array_equal(whole[at : at + 8_000], batch.waves[0].numpy())
            ]
            found.add(int(starts[0]))
        assert len(found) == wanted


def test_noise_has_the_level_that_was_drawn() -> None:
    time = np.arange(160_000) / 16_000
    wave = np.sin(2 * np.pi * 200 * time).astype(np.float32)
    noise = with_noise(wave, 20.0, np.random.default_rng(0)) - wave
    ratio = 20 * np.log10(np.sqrt(np.mean(wave**2)) / np.sqrt(np.mean(noise**2)))
    assert ratio == pytest.approx(20.0, abs=0.1)


def test_the_same_generator_gives_the_same_batch(clips: Clips) -> None:
    recipe = dataclasses.replace(TWO_STAGE, noise_chance=1.0, clip_samples=9_000)
    one, two, other = (
        training_batch(clips, ROWS, recipe, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert one is not None
    assert two is not None
    assert other is not None
    assert one.waves.equal(two.waves)
    assert not one.waves.equal(other.waves)


def test_broken_files_are_skipped(clips: Clips, tmp_path: Path) -> None:
    gone = Clips(clips.recordings[:2], tmp_path, clips.lengths[:2])
    assert training_batch(gone, np.array([0, 1]), TWO_STAGE, np.random.default_rng(0)) is None
    assert len(gone.unreadable) == 2


def test_scoring_cuts_as_the_authors_did() -> None:
    traits = scoring_traits(TWO_STAGE)
    assert (traits.window_samples, traits.hop_samples) == (64_000, 32_000)
    assert traits.min_speech_seconds == 0.0
    assert traits.utterance_score is UtteranceScore.MEAN
    assert scoring_traits(TOP4_MLP).utterance_score is UtteranceScore.FIRST
