"""Trains a backbone with its head, stage by stage."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dfd.training.finetune.freezing import trained_in_any
from dfd.training.finetune.recipe import FinetuneRecipe
from dfd.training.finetune.stage import LOG, FitContext, RunningStage
from dfd.training.finetune.state import CHECKPOINT, Resumable, Standing, load_best
from dfd.training.material.clips import Clips
from dfd.training.weights.classifier import Classifier


def fit(
    model: Classifier,
    recipe: FinetuneRecipe,
    train: Clips,
    dev: Clips,
    identity: dict[str, Any],
    context: FitContext,
    *,
    resume: bool,
) -> Standing:
    """Trains `model` in place and leaves the best weights in it.

    At every evaluation, a checkpoint, the best weights and a line of log are written to `out`;
    `resume` continues from the checkpoint if there is one, with the same random numbers as an
    uninterrupted run.

    Raises:
        UserError: if the loss is no longer finite.
    """
    context.out.mkdir(parents=True, exist_ok=True)
    model.to(context.device)
    names = trained_in_any(model, recipe)
    saved = Resumable(model, names, identity, context.device)
    path = context.out / CHECKPOINT
    standing, optimizer_state, scaler_state = Standing(), None, None
    if resume and path.exists():
        standing, optimizer_state, scaler_state = saved.load(path)
    else:
        (context.out / LOG).unlink(missing_ok=True)
        torch.manual_seed(context.seed)
        # transformers draws SpecAugment's masks from NumPy's global generator
        np.random.seed(context.seed)
    weights = class_weights(recipe, train)
    for number in range(standing.stage, len(recipe.stages)):
        stage = RunningStage(model, recipe, number, train, dev, weights, saved, context)
        if standing.stage == number and optimizer_state is not None and standing.step > 0:
            stage.optimizer.load_state_dict(optimizer_state)
            stage.scaler.load_state_dict(scaler_state or {})
        elif number > 0:
            load_best(model, context.out)
        stage.run(standing)
        standing.stage, standing.step, standing.stale = number + 1, 0, 0
        saved.save(path, standing, stage.optimizer, stage.scaler)
    load_best(model, context.out)
    model.eval()
    return standing


def class_weights(recipe: FinetuneRecipe, clips: Clips) -> Tensor | None:
    """Returns the weights (2,) of bona fide and spoof in the loss."""
    if recipe.class_weights == "none":
        return None
    if recipe.class_weights == "frequency":
        counts = np.bincount(clips.labels, minlength=2)
        return torch.tensor(len(clips.labels) / (2 * counts), dtype=torch.float32)
    return torch.tensor(recipe.class_weights)


def describe(recipe: FinetuneRecipe) -> dict[str, Any]:
    """Returns a recipe as plain values, for checkpoints and cards."""
    content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return content
