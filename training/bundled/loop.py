"""The training loop: one optimiser, an averaged copy of the weights, checkpoints to resume from."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from dfd.evaluation.audio import SAMPLE_RATE_HZ
from dfd.training.bundled.batches import Batch, Sampler
from dfd.training.bundled.network import Network
from dfd.training.bundled.recipe import FitOptions, Recipe
from dfd.training.material.augment import NOWHERE, Surroundings, augment

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"


@dataclass
class Progress:
    """What the loop reports after each step; `dev` has figures only after an evaluation.

    `part` is the name of the recipe that is running: a teacher's, or that of the whole.
    """

    part: str
    step: int
    steps: int
    loss: float
    dev: dict[str, float] | None = None


def learning_rate_factor(step: int, options: FitOptions) -> float:
    """Returns a factor that warms up linearly to 1, then falls to 0.02 on a cosine."""
    if step < options.warm_up_steps:
        return (step + 1) / options.warm_up_steps
    rest = max(1, options.steps - options.warm_up_steps)
    part = min(1.0, (step - options.warm_up_steps) / rest)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * part))


def batch_shape(options: FitOptions, generator: np.random.Generator) -> tuple[int, int]:
    """Draws the number of clips (even) of the next batch, and the samples of each."""
    weights = np.array(options.crop_weights)
    seconds = float(generator.choice(options.crop_seconds, p=weights / weights.sum()))
    clips = max(2, int(options.batch_seconds / seconds) // 2 * 2)
    return min(clips, options.most_clips), int(seconds * SAMPLE_RATE_HZ)


def fit(
    model: Network,
    sampler: Sampler,
    recipe: Recipe,
    out: Path,
    *,
    seed: int,
    device: torch.device,
    evaluate: Callable[[Network], dict[str, float]],
    report: Callable[[Progress], None],
    teachers: Sequence[Network] = (),
    surroundings: Surroundings = NOWHERE,
    resume: bool = False,
) -> Network:
    """Trains `model` (see `Network`) in place and returns its averaged copy.

    `teachers` hear every crop before a codec or anything else alters it; their mean P(spoof) is
    part of the target.

    At every evaluation, `checkpoint.pt` and a line of `log.jsonl` are written to `out`; `resume`
    continues from there, with the same random numbers as an uninterrupted run.
    """
    options = recipe.fit
    model.to(device).train()
    average = copy.deepcopy(model).eval()
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": options.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.98))
    draws = torch.Generator(device=device).manual_seed(seed)
    shapes = np.random.default_rng((seed, 1))
    state = _State(model, average, optimizer, draws, shapes, sampler)
    out.mkdir(parents=True, exist_ok=True)
    first = state.load(out / CHECKPOINT) if resume and (out / CHECKPOINT).exists() else 0
    if first == 0:
        torch.manual_seed(seed)
        (out / LOG).unlink(missing_ok=True)
    started, smooth = time.monotonic(), float("nan")
    around = surroundings.to(device)
    phase = None
    for step in range(first, options.steps):
        if phase != recipe.phase(step):
            phase = recipe.phase(step)
            sampler.share(phase.shares)
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * learning_rate_factor(step, options)
        batch = sampler.draw(*batch_shape(options, shapes)).to(device)
        with torch.no_grad():
            targets = spoof_targets(batch, teachers, options)
            waves = augment(
                batch.waves,
                batch.lengths,
                recipe.augment,
                draws,
                phase.untouched_chance,
                surroundings=around,
                alike=_alike(batch, options.alike_chance, draws),
            )
        loss = binary_cross_entropy_with_logits(model(waves, batch.lengths), targets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), options.gradient_clip)
        optimizer.step()
        _follow(average, model, min(options.average_decay, (step + 1) / (step + 20)))
        value = float(loss.detach())
        smooth = value if math.isnan(smooth) else 0.98 * smooth + 0.02 * value
        done = step + 1
        dev: dict[str, float] | None = None
        if done % options.evaluate_every_steps == 0 or done == options.steps:
            dev = evaluate(average)
            state.save(out / CHECKPOINT, done)
            entry = {"step": done, "loss": smooth, "seconds": time.monotonic() - started, **dev}
            with (out / LOG).open("a", encoding="utf-8") as log:
                log.write(json.dumps(entry) + "\n")
        report(Progress(recipe.name, done, options.steps, smooth, dev))
    return average


def _alike(batch: Batch, chance: float, draws: torch.Generator) -> Tensor | None:
    """Draws the spoofs (B,) that are augmented exactly as their partners are."""
    if chance == 0:
        return None
    drawn = torch.rand(len(batch.labels), generator=draws, device=batch.waves.device) < chance
    return drawn & batch.paired & (batch.labels == 1)


def spoof_targets(batch: Batch, teachers: Sequence[nn.Module], options: FitOptions) -> Tensor:
    """Returns the target P(spoof) (B,): the smoothed label, and the teachers' for clean crops."""
    smoothing, share = options.label_smoothing, options.teacher_share
    hard = batch.labels.float() * (1 - 2 * smoothing) + smoothing
    if not teachers:
        return hard
    said = [teacher(batch.clean, batch.lengths).sigmoid() for teacher in teachers]
    mixed = (1 - share) * hard + share * torch.stack(said).mean(0)
    return torch.where(batch.taught, mixed, hard)


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)
    # Running means and variances are already averages.
    for kept, new in zip(average.buffers(), model.buffers(), strict=True):
        kept.copy_(new)


@dataclass
class _State:
    """Everything that a resumed run needs to continue as if it had not stopped."""

    model: Network
    average: Network
    optimizer: torch.optim.Optimizer
    draws: torch.Generator
    shapes: np.random.Generator
    sampler: Sampler

    def save(self, path: Path, step: int) -> None:
        state = {
            "step": step,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "draws": self.draws.get_state(),
            "torch": torch.get_rng_state(),
            "shapes": json.dumps(self.shapes.bit_generator.state),
            "sampler": json.dumps(self.sampler.generator.bit_generator.state),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> int:
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.draws.set_state(state["draws"])
        torch.set_rng_state(state["torch"])
        self.shapes.bit_generator.state = json.loads(state["shapes"])
        self.sampler.generator.bit_generator.state = json.loads(state["sampler"])
        return int(state["step"])
