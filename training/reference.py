"""Runs the recipes of the reference systems, by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from dfd.errors import UserError
from dfd.training.finetune.recipe import FINETUNE_RECIPES
from dfd.training.frozen.recipe import FROZEN_RECIPES
from dfd.training.material.splits import Splits
from dfd.training.run.options import RunOptions
from dfd.training.run.overrides import override
from dfd.training.run.progress import Talk
from dfd.training.run.tracking import Tracker, open_tracker

# recipe -> the backbone that its authors used, by its id on the hub
PUBLISHED_BACKBONES = {
    "two-stage": "facebook/wav2vec2-base",
    "top4-mlp": "facebook/wav2vec2-base",
    "xlsr-half": "facebook/wav2vec2-large-xlsr-53",
    "frozen-logreg": "facebook/wav2vec2-base-960h",
    "contrastive": "facebook/wav2vec2-base-960h",
}


@dataclasses.dataclass(frozen=True)
class Tracking:
    """Where the curves go, besides the log."""

    tensorboard: bool = True
    wandb_project: str | None = None


def train_reference(
    name: str,
    splits: Splits,
    backbone: str | None,
    changes: Mapping[str, Any],
    options: RunOptions,
    tracking: Tracking,
    talk: Talk,
) -> str:
    """Runs the recipe `name` with `changes`; returns a line of dev figures.

    If `backbone` is None, it is the authors'.

    Raises:
        UserError: with one line for the user.
    """
    from dfd.training.finetune.train import run as run_finetune
    from dfd.training.frozen.train import run as run_frozen

    if name not in PUBLISHED_BACKBONES:
        raise UserError(f"no recipe {name!r}; choose from: {', '.join(PUBLISHED_BACKBONES)}")
    place = backbone or PUBLISHED_BACKBONES[name]
    if name in FROZEN_RECIPES:
        frozen = override(FROZEN_RECIPES[name], changes)
        described = dataclasses.asdict(frozen)
        with _tracker(name, options, tracking, described) as tracker:
            return run_frozen(frozen, splits, place, options, tracker, talk)
    tuned = override(FINETUNE_RECIPES[name], changes)
    with _tracker(name, options, tracking, dataclasses.asdict(tuned)) as tracker:
        return run_finetune(tuned, splits, place, options, tracker, talk)


def _tracker(
    name: str, options: RunOptions, tracking: Tracking, described: Mapping[str, Any]
) -> Tracker:
    return open_tracker(
        options.out,
        tensorboard=tracking.tensorboard,
        wandb_project=tracking.wandb_project,
        name=name,
        options={**described, "seed": options.seed},
        resume=options.resume,
    )
