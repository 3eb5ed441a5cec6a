"""A whole recipe, from a corpus folder to a model folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dfd.detector.files.read import read_checkpoint
from dfd.detector.networks.whisper_stem import WhisperStem
from dfd.errors import UserError
from dfd.evaluation.audio import SAMPLE_RATE_HZ, AudioCache
from dfd.evaluation.corpus import Recording, read_manifest
from dfd.evaluation.figures.breakdown import summary
from dfd.training.bundled.banks import codec_bank, copy_bank, spoken_bank
from dfd.training.bundled.batches import Bank, Sampler, bank_of
from dfd.training.bundled.beside import Bar, Hops, Material, fit_stem, weigh, with_stem
from dfd.training.bundled.cache import build_cache
from dfd.training.bundled.copysynth import WORLD_METHODS, load_pyworld
from dfd.training.bundled.encoder import read_stages
from dfd.training.bundled.export import (
    SERVED,
    measure_serving,
    write_serving,
    write_weights,
)
from dfd.training.bundled.loop import Progress, fit
from dfd.training.bundled.network import Network
from dfd.training.bundled.recipe import JoinedRecipe, Recipe
from dfd.training.bundled.unroll import written_out
from dfd.training.material.surroundings import read_surroundings
from dfd.training.scoring import TorchScorer, score_beginnings
from dfd.training.weights.serving import ServedAs


def train(
    recipe: JoinedRecipe,
    corpus: Path,
    out: Path,
    *,
    cache_folder: Path,
    seed: int,
    device: torch.device,
    bar: Bar,
    report: Callable[[Progress], None],
    resume: bool = False,
    encoder: Path | None = None,
    served: ServedAs = SERVED,
) -> dict[str, Any]:
    """Runs `recipe` on `corpus` (`manifest.tsv` and the audio beside it) and writes to `out`.

    `encoder` is the file with the pretrained stages of the recipe's stem; None means those of the
    bundled detector.

    Returns:
        The content of `dfd.json` in the model folder, `out / "model"`.

    Raises:
        UserError: if something that the user can correct is wrong.
    """
    _require_tools(recipe)
    stages = None if recipe.stem is None else read_stages(encoder, recipe.stem.stages)
    manifest = corpus / "manifest.tsv"
    surroundings = read_surroundings(corpus)
    dev_rows, dev_cache = _decoded(read_manifest(manifest, "dev"), corpus, cache_folder, bar)
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(json.dumps({"seed": seed, **asdict(recipe)}, indent=2) + "\n")

    def fitted(part: Recipe, folder: Path, banks: list[Bank]) -> Network:
        teachers = [fitted(one, folder / "teachers" / one.name, banks) for one in part.teachers]
        torch.manual_seed(seed)
        model = Network(part.network)
        if teachers and part.from_first_teacher:
            model.load_state_dict(teachers[0].state_dict())
        return fit(
            model,
            Sampler(banks, seed, part.drawing),
            part,
            folder,
            seed=seed,
            device=device,
            evaluate=lambda model: watch(model, dev_rows, dev_cache),
            report=report,
            teachers=teachers,
            surroundings=surroundings,
            resume=resume,
        )

    networks = []
    for member in recipe.members:
        rows = _of_editions(read_manifest(manifest, "train"), member.editions)
        rows, cache = _decoded(rows, corpus, cache_folder, bar)
        banks = render_banks(member, rows, cache, cache_folder, bar)
        networks.append(fitted(member, out / member.name, banks))
    stem = None
    if recipe.stem is not None and stages is not None:
        rows, cache = _decoded(read_manifest(manifest, "train"), corpus, cache_folder, bar)
        hops = Hops(recipe.hop_samples, served.window_samples // recipe.hop_samples)
        material = Material(rows, cache, surroundings, cache_folder)
        stem = (fit_stem(recipe.stem, stages, material, hops, seed, bar), recipe.stem.weight)
    return export(networks, recipe.hop_samples, dev_rows, dev_cache, out / "model", served, stem)


def _require_tools(recipe: JoinedRecipe) -> None:
    """Checks that the tools for the banks are installed, before rendering takes hours."""
    banks = [member.banks for member in recipe.members]
    if any(
        one.copies and WORLD_METHODS & {name for name, _ in one.copy_synthesis} for one in banks
    ):
        load_pyworld()
    if any(one.spoken for one in banks):
        import espeakng_loader  # noqa: F401 - the command names the extra that brings it


def _of_editions(rows: list[Recording], editions: tuple[str, ...]) -> list[Recording]:
    """Returns the rows of some editions; all if none is named, or the corpus has no editions."""
    if not editions or not any(row.edition for row in rows):
        return rows
    return [row for row in rows if row.edition in editions]


def export(
    networks: list[Network],
    hop_samples: int,
    dev_rows: list[Recording],
    dev_cache: AudioCache,
    folder: Path,
    served: ServedAs = SERVED,
    stem: tuple[WhisperStem, float] | None = None,
) -> dict[str, Any]:
    """Writes a model folder, calibrated on dev as it will be served; returns its `dfd.json`.

    `stem` stands beside the networks, with a weight that is relative to theirs.
    """
    weights = [1 / len(networks)] * len(networks)
    model = written_out(networks, weights, hop_samples)
    if stem is not None:
        model = with_stem(model, stem[0])
        write_weights(model, folder)
        weigh(model, read_checkpoint(str(folder)).network, dev_cache, served, stem[1])
    write_weights(model, folder)
    scorer = TorchScorer(read_checkpoint(str(folder)).network)
    facts = measure_serving(scorer, dev_rows, dev_cache, served)
    write_serving(facts, folder)
    return facts


def render_banks(
    recipe: Recipe, rows: list[Recording], cache: AudioCache, folder: Path, bar: Bar
) -> list[Bank]:
    """Renders the banks that a recipe draws from; what was rendered before is reused."""
    options = recipe.banks
    banks = [bank_of(cache, rows)]
    if options.codecs:
        with bar("codecs", len(rows)) as tick:
            banks.append(codec_bank(rows, cache, folder, tick))
    humans = sum(row.label == 0 for row in rows)
    for copy in range(options.copies):
        with bar(f"copy synthesis {copy + 1}", humans) as tick:
            banks.append(copy_bank(rows, cache, folder, options, copy, tick))
    if options.spoken:
        with bar("spoken sentences", options.spoken) as tick:
            banks.append(spoken_bank(options, tick))
    return banks


def watch(model: nn.Module, rows: list[Recording], cache: AudioCache) -> dict[str, float]:
    """Returns the dev figures of raw scores of the first window of each recording."""
    window_samples = SERVED.window_samples
    scores = score_beginnings(
        TorchScorer(model), cache, window_samples / SAMPLE_RATE_HZ, SERVED.traits()
    )
    usable = ~np.isnan(scores)
    kept = [row for row, keep in zip(rows, usable, strict=True) if keep]
    return summary(scores[usable], kept)


def _decoded(
    rows: list[Recording], corpus: Path, folder: Path, bar: Bar
) -> tuple[list[Recording], AudioCache]:
    split = rows[0].split
    with bar(f"decoding {split}", len(rows)) as tick:
        cache = build_cache(rows, corpus, folder, progress=tick)
    usable = sum(cache.lengths > 0)
    if usable == 0:
        raise UserError(f"no recording of split {split} below {corpus} can be read")
    return rows, cache
