"""The learning rate of a stage, step by step."""

from __future__ import annotations

import math

from dfd.training.finetune.recipe import Stage


def steps_per_epoch(batches: int, accumulate: int) -> int:
    """Returns the optimiser steps of an epoch; the last may have fewer batches."""
    return -(-batches // accumulate)


def rate_factor(stage: Stage, step: int, steps: int) -> float:
    """Returns the factor on the learning rate at `step` (from 0) of `steps`."""
    warm = round(stage.warm_up * steps)
    if step < warm:
        return (step + 1) / warm
    part = (step - warm) / max(1, steps - warm)
    if stage.schedule == "linear":
        return 1 - part
    if stage.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * part))
    return 1.0
