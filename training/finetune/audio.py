"""Which part of a recording is used in a training step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dfd.evaluation.audio import SAMPLE_RATE_HZ
from dfd.streaming.options import ModelTraits, UtteranceScore
from dfd.training.finetune.recipe import FinetuneRecipe
from dfd.training.material.clips import Batch, Clips, collate

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def training_batch(
    clips: Clips, rows: IntArray, recipe: FinetuneRecipe, generator: np.random.Generator
) -> Batch | None:
    """Reads one clip of each row; broken files are left out, and None is returned if all are."""
    pieces, labels = [], []
    for row in rows:
        wave = clips.read(int(row))
        place, noisy, snr = generator.random(), generator.random(), generator.random()
        if wave is None:
            continue
        room = max(0, wave.size - recipe.clip_samples)
        first = int(place * (room + 1)) if recipe.start == "random" else 0
        piece = wave[first : first + recipe.clip_samples]
        if noisy < recipe.noise_chance:
            low, high = recipe.noise_snr_db
            piece = with_noise(piece, low + snr * (high - low), generator)
        pieces.append(piece)
        labels.append(clips.recordings[int(row)].label)
    if not pieces:
        return None
    return collate(pieces, labels, recipe.clip_samples if recipe.padding == "zero" else 0)


def with_noise(samples: FloatArray, snr_db: float, generator: np.random.Generator) -> FloatArray:
    """Adds white Gaussian noise, `snr_db` below their root mean square, to samples (N,)."""
    power = float(np.sqrt(np.mean(samples**2))) * 10 ** (-snr_db / 20)
    noise = generator.standard_normal(samples.size, dtype=np.float32)
    return np.asarray(samples + power * noise, dtype=np.float32)


def scoring_traits(recipe: FinetuneRecipe) -> ModelTraits:
    """Returns how the authors' own procedure cuts a recording and combines its scores."""
    return ModelTraits(
        sample_rate_hz=SAMPLE_RATE_HZ,
        window_samples=recipe.clip_samples,
        hop_samples=recipe.hop_samples or recipe.clip_samples,
        min_speech_seconds=0.0,
        utterance_score=UtteranceScore.MEAN if recipe.hop_samples else UtteranceScore.FIRST,
    )
