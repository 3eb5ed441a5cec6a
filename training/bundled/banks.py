"""Audio made before training and kept beside a corpus' cache: codecs, copy synthesis, speech.

All are rendered row by row, each row with its own generator, so an interrupted rendering continues
where it stopped and the result does not depend on the order. The name of a rendering is made from
everything that it depends on, so other recordings or options are rendered anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dfd.errors import UserError
from dfd.evaluation.audio import SAMPLE_RATE_HZ, AudioCache, FloatArray, level, resampled
from dfd.evaluation.corpus import Recording
from dfd.evaluation.telephone.codecs import opus, through_codec
from dfd.training.bundled.batches import Bank
from dfd.training.bundled.cache import ROW_SAMPLES
from dfd.training.bundled.copysynth import METHODS
from dfd.training.material.augment import AugmentOptions, Surroundings, augment
from dfd.training.material.codecs import WEIGHTS, pick_codec
from dfd.training.material.espeak import draw_sentence, draw_voice, speak

# Takes a recording's row, its samples and a generator; returns the rendered samples and a name.
Render = Callable[[int, FloatArray, np.random.Generator], tuple[FloatArray, str]]
_OPUS = opus(48)


@dataclass(frozen=True)
class BankOptions:
    """What is rendered.

    `copy_synthesis` gives a weight to each method; a bona fide recording is resynthesised by
    `copies` of them. `codecs` says whether recordings go through codecs. `spoken` is the number of
    sentences that eSpeak NG speaks; the same share of them as of the corpus goes through Opus, so
    that its absence is not a cue.
    """

    codecs: bool = True
    copies: int = 1
    spoken: int = 400
    spoken_opus_chance: float = 0.75
    copy_synthesis: tuple[tuple[str, float], ...] = (
        ("world", 0.35),
        ("griffin-lim", 0.25),
        ("mel-phase", 0.15),
        ("lpc", 0.1),
        ("phase-vocoder", 0.15),
    )


@dataclass(frozen=True)
class AlteredOptions:
    """How copies of recordings are altered: first by `augment`, then by a codec, each by chance."""

    augment: AugmentOptions = field(default_factory=AugmentOptions)
    untouched_chance: float = 0.25
    codec_chance: float = 0.6


def codec_bank(
    recordings: Sequence[Recording],
    cache: AudioCache,
    folder: Path,
    progress: Callable[[], None] | None = None,
) -> Bank:
    """Renders every recording of both classes through one random codec."""

    def render(
        _: int, samples: FloatArray, generator: np.random.Generator
    ) -> tuple[FloatArray, str]:
        codec = pick_codec(generator)
        return through_codec(samples, codec), codec.name

    rows = list(range(len(recordings)))
    stem = folder / f"codec-{_key(cache, WEIGHTS)}"
    samples, _ = _render(cache, rows, stem, (7,), render, progress)
    return Bank("codec", recordings, samples, cache.lengths, clean=cache.samples)


def copy_bank(
    recordings: Sequence[Recording],
    cache: AudioCache,
    folder: Path,
    options: BankOptions,
    copy: int = 0,
    progress: Callable[[], None] | None = None,
) -> Bank:
    """Renders every bona fide recording through one random vocoder, as a spoof of the same source.

    The copy of an Opus file goes through Opus again, so that its absence is not a cue.
    """
    names = [name for name, _ in options.copy_synthesis]
    weights = np.array([weight for _, weight in options.copy_synthesis])

    def render(
        row: int, samples: FloatArray, generator: np.random.Generator
    ) -> tuple[FloatArray, str]:
        name = names[int(generator.choice(len(names), p=weights / weights.sum()))]
        made = METHODS[name](samples, generator)
        if recordings[row].file.endswith(".opus"):
            made = through_codec(level(made), _OPUS)
        return made, name

    rows = [
        row
        for row, recording in enumerate(recordings)
        if recording.label == 0 and cache.lengths[row] > 0
    ]
    stem = folder / f"copies-{copy}-{_key(cache, options.copy_synthesis)}"
    samples, made = _render(cache, rows, stem, (11, 5 + copy), render, progress)
    spoofs = [
        replace(recordings[row], label=1, system=f"copy:{name}")
        for row, name in zip(rows, made, strict=True)
    ]
    return Bank("copy", spoofs, samples, cache.lengths[rows])


def altered_bank(
    recordings: Sequence[Recording],
    cache: AudioCache,
    folder: Path,
    options: AlteredOptions,
    surroundings: Surroundings,
    copy: int = 0,
    progress: Callable[[], None] | None = None,
) -> Bank:
    """Renders every recording of both classes once through noise, rooms, band limits and codecs."""

    def render(
        row: int, samples: FloatArray, generator: np.random.Generator
    ) -> tuple[FloatArray, str]:
        draws = torch.Generator().manual_seed(int(generator.integers(1 << 62)))
        made = augment(
            torch.from_numpy(samples)[None],
            torch.tensor([samples.size]),
            options.augment,
            draws,
            options.untouched_chance,
            surroundings=surroundings,
        )
        altered = level(made[0].numpy())
        if generator.random() >= options.codec_chance:
            return altered, "no codec"
        codec = pick_codec(generator)
        return through_codec(altered, codec), codec.name

    rows = list(range(len(recordings)))
    around = (surroundings.noises.shape, surroundings.rooms.shape)
    stem = folder / f"altered-{copy}-{_key(cache, (options, WEIGHTS, around))}"
    samples, _ = _render(cache, rows, stem, (17, copy), render, progress)
    return Bank("altered", recordings, samples, cache.lengths, clean=cache.samples)


def spoken_bank(options: BankOptions, progress: Callable[[], None] | None = None) -> Bank:
    """Renders sentences spoken by eSpeak NG, at most as long as a row of the cache.

    Raises:
        UserError: if espeakng-loader is not installed.
    """
    samples = np.zeros((options.spoken, ROW_SAMPLES), np.int16)
    lengths = np.zeros(options.spoken, np.int64)
    spoofs = []
    for row in range(options.spoken):
        generator = np.random.default_rng((13, row))
        voice = draw_voice(generator)
        try:
            spoken, rate = speak(draw_sentence(generator), voice)
        except ModuleNotFoundError as error:
            raise UserError(f"{error.name} is missing: pip install 'dfd[train]'") from error
        wave = level(
            resampled(spoken.astype(np.float32) / 32768.0, SAMPLE_RATE_HZ, rate)[:ROW_SAMPLES]
        )
        if generator.random() < options.spoken_opus_chance:
            wave = level(through_codec(wave, _OPUS)[:ROW_SAMPLES])
        samples[row, : wave.size] = np.round(wave * 32767.0).astype(np.int16)
        lengths[row] = wave.size
        spoofs.append(Recording("", 1, source="eSpeak NG", system=f"tts:eSpeak NG {voice.name}"))
        if progress is not None:
            progress()
    # No teacher was trained on such voices, so what it says of them is worth nothing.
    return Bank("spoken", spoofs, samples, lengths, taught=False)


def _key(cache: AudioCache, options: object) -> str:
    """Returns a key that differs if the recordings or `options` do."""
    return f"{cache.key}-{hashlib.sha256(repr(options).encode()).hexdigest()[:8]}"


def _render(
    cache: AudioCache,
    rows: Sequence[int],
    stem: Path,
    seed: tuple[int, ...],
    render: Render,
    progress: Callable[[], None] | None,
) -> tuple[np.memmap[Any, np.dtype[np.int16]], list[str]]:
    """Renders `rows` of the cache into `stem`.i16, and their names into `stem`.names.json."""
    shape = (len(rows), cache.samples.shape[1])
    data, names_path = stem.with_suffix(".i16"), stem.with_suffix(".names.json")
    names: list[str] = json.loads(names_path.read_text()) if names_path.exists() else []
    stem.parent.mkdir(parents=True, exist_ok=True)
    made: np.memmap[Any, np.dtype[np.int16]] = np.memmap(
        data, dtype=np.int16, mode="r+" if data.exists() else "w+", shape=shape
    )
    for slot in range(len(names), len(rows)):
        row = rows[slot]
        wave, name = _one(cache, row, seed, render)
        made[slot, : wave.size] = np.round(wave * 32767.0).astype(np.int16)
        names.append(name)
        if progress is not None:
            progress()
        if slot % 100 == 99 or slot + 1 == len(rows):
            made.flush()
            names_path.write_text(json.dumps(names))
    return made, names


def _one(
    cache: AudioCache, row: int, seed: tuple[int, ...], render: Render
) -> tuple[FloatArray, str]:
    if cache.lengths[row] == 0:
        return np.zeros(0, np.float32), ""
    wave, name = render(row, cache.waveform(row), np.random.default_rng((seed[0], row, *seed[1:])))
    if not np.isfinite(wave).all():
        wave = np.zeros_like(wave)
    return level(wave), name
