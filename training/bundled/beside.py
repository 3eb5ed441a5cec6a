"""Puts a stem beside the recipe's networks: what it hears, and how much it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from dfd.detector.networks.whisper_stem import CONFIG_KEY, WhisperStem
from dfd.evaluation.audio import AudioCache
from dfd.evaluation.corpus import Recording
from dfd.training.bundled.banks import altered_bank
from dfd.training.bundled.batches import bank_of
from dfd.training.bundled.encoder import STORED
from dfd.training.bundled.stem import (
    BATCH,
    StemOptions,
    file_of,
    fit_classifier,
    heard,
    measure_bank,
    with_stages,
)
from dfd.training.material.augment import Surroundings
from dfd.training.weights.serving import ServedAs

if TYPE_CHECKING:
    from dfd.detector.with_transformers import Wav2Vec2LightCnn

# Opens a progress bar from a title and a number of steps; gives a function to call after each step.
Bar = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


@dataclass(frozen=True)
class Hops:
    """The length of a hop in samples, and how many a window has."""

    samples: int
    count: int


@dataclass(frozen=True)
class Material:
    """Training recordings, their audio, what they are altered with, and the folder for the rest."""

    recordings: list[Recording]
    cache: AudioCache
    surroundings: Surroundings
    folder: Path


def fit_stem(
    options: StemOptions,
    stages: Mapping[str, Tensor],
    material: Material,
    hops: Hops,
    seed: int,
    bar: Bar,
) -> WhisperStem:
    """Returns a stem whose classifier is fitted on the recordings and on altered copies."""
    rows, cache = material.recordings, material.cache
    bare = with_stages(options.stages, stages)
    banks = {"original": bank_of(cache, rows)}
    for copy in range(options.copies):
        with bar(f"altered copies {copy + 1}", len(rows)) as tick:
            banks[f"altered {copy} {options.altered}"] = altered_bank(
                rows, cache, material.folder, options.altered, material.surroundings, copy, tick
            )
    parts = []
    for name, bank in banks.items():
        file = file_of(material.folder, f"{cache.key} {hops} {name}", stages)
        with bar(f"statistics, {bank.kind}", len(rows)) as tick:
            sums = measure_bank(
                bare, bank, file, hop_samples=hops.samples, hops=hops.count, tick=tick
            )
        parts.append(heard(bare, sums, rows))
    with bar("classifier", options.members * options.steps) as tick:
        return fit_classifier(stages, parts[0], parts[1:], options, seed, tick)


def with_stem(model: Wav2Vec2LightCnn, stem: WhisperStem) -> Wav2Vec2LightCnn:
    """Puts a stem beside a network, which then adds up the logits of both."""
    setattr(model.config, CONFIG_KEY, asdict(stem.config))
    model.whisper_stem = stem
    for name, value in stem.named_parameters():
        if not name.startswith(("hidden.", "classifier.")):
            value.data = value.data.to(STORED)
    return model


def weigh(
    model: Wav2Vec2LightCnn, network: Any, cache: AudioCache, served: ServedAs, weight: float
) -> None:
    """Scales the classifier of a network's stem, as `StemOptions.weight` says.

    Args:
        model: the network; its classifier is changed.
        network: the same, as it is served.
        cache: the recordings of dev.
        served: how it is served.
        weight: deviation of the stem's log-odds against that of the others'.
    """
    ours, others = (odds.std() for odds in _apart(network, cache, served.window_samples))
    scale = weight * float(others / ours.clamp(min=1e-6))
    stem: Any = model.whisper_stem
    with torch.no_grad():
        stem.classifier.weight.mul_(scale)
        stem.classifier.bias.mul_(scale)


def _apart(network: Any, cache: AudioCache, window_samples: int) -> tuple[Tensor, Tensor]:
    """Returns log-odds of the stem, and of the others, of each recording's first window."""
    found: list[tuple[Tensor, Tensor]] = []
    usable = np.flatnonzero(cache.lengths > 0)
    for start in range(0, len(usable), BATCH):
        rows = usable[start : start + BATCH]
        waves = torch.from_numpy(cache.samples[rows, :window_samples].astype(np.float32) / 32768.0)
        waves = nn.functional.pad(waves, [0, window_samples - waves.shape[1]])
        lengths = torch.from_numpy(np.minimum(cache.lengths[rows], window_samples))
        with torch.inference_mode():
            hops, counts = network.cut(waves, lengths)
            sums = network.measure(hops, counts)
            stem, rest = network.apart(sums.view(len(rows), -1, sums.shape[1]))
            found.append((network.odds(stem), network.odds(rest)))
    stems, rests = zip(*found, strict=True)
    return torch.cat(stems), torch.cat(rests)
