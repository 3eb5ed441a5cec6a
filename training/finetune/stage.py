"""One stage of a recipe as it runs: its optimizer, its steps and its evaluations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dfd.detector.precision import DTYPES, candidates
from dfd.errors import UserError
from dfd.evaluation.figures import metrics
from dfd.offline.scores import WindowScores
from dfd.streaming.options import ModelTraits
from dfd.training.finetune.audio import scoring_traits, training_batch
from dfd.training.finetune.freezing import freeze, set_training
from dfd.training.finetune.recipe import FinetuneRecipe, Stage
from dfd.training.finetune.schedule import rate_factor, steps_per_epoch
from dfd.training.finetune.state import CHECKPOINT, Resumable, Standing, save_best
from dfd.training.material.clips import Batch, Clips, batches_by_length, prefetch
from dfd.training.run.tracking import Tracker
from dfd.training.scoring import TorchScorer, score_clips
from dfd.training.weights.classifier import Classifier, autocast, scorer

LOG = "log.jsonl"
TRACK_EVERY_STEPS = 10
CHECKPOINT_EVERY_STEPS = 200


@dataclass(frozen=True)
class Progress:
    """What the loop reports after a step; `dev` has figures only after an evaluation."""

    stage: str
    step: int
    steps: int
    loss: float
    dev: dict[str, float] | None = None


@dataclass(frozen=True)
class FitContext:
    """Where and how a run takes place."""

    out: Path
    device: torch.device
    seed: int
    workers: int
    tracker: Tracker
    report: Callable[[Progress], None]


def figures(windows: Sequence[WindowScores], clips: Clips, model: ModelTraits) -> dict[str, float]:
    """Returns EER and ROC-AUC of utterance scores.

    Raises:
        UserError: if scores are not finite, or a label has none.
    """
    scores = np.array([found.score(model) for found in windows])
    heard = np.array([len(found) > 0 for found in windows])
    if not np.isfinite(scores[heard]).all():
        raise UserError("the training diverged (a score is not finite): lower learning_rate")
    try:
        labels = clips.labels[heard]
        return {
            "eer": metrics.eer(scores[heard], labels),
            "auc": metrics.auc(scores[heard], labels),
        }
    except ValueError as error:
        raise UserError(f"dev has no figure: {error}") from None


def precision_of(stage: Stage, device: torch.device) -> torch.dtype:
    """Returns the number format of a stage's forward passes; weights stay float32."""
    return DTYPES[candidates(stage.precision, device)[0]]


class RunningStage:
    """A running stage."""

    def __init__(
        self,
        model: Classifier,
        recipe: FinetuneRecipe,
        number: int,
        train: Clips,
        dev: Clips,
        weights: Tensor | None,
        saved: Resumable,
        context: FitContext,
    ) -> None:
        self.model, self.recipe, self.train, self.dev = model, recipe, train, dev
        self.number, self.options, self.context = number, recipe.stages[number], context
        self.saved = saved
        self.trained = freeze(model, self.options)
        self.optimizer = make_optimizer(self.trained, self.options)
        self.dtype = precision_of(self.options, context.device)
        self.scaler = torch.amp.GradScaler(  # type: ignore[attr-defined]
            context.device.type, enabled=self.dtype == torch.float16
        )
        self.weights = None if weights is None else weights.to(context.device)
        self.heard = np.minimum(train.lengths, recipe.clip_samples)
        if recipe.padding == "zero":
            self.heard = np.zeros_like(self.heard)  # all alike
        self.per_epoch = steps_per_epoch(len(self._order(0)), self.options.accumulate)
        self.steps = self.options.epochs * self.per_epoch
        self.offset = sum(stage.epochs for stage in recipe.stages[:number]) * len(train.lengths)

    def run(self, standing: Standing) -> None:
        """Trains until all steps are done or patience has run out."""
        options = self.options
        set_training(self.model, options)
        while standing.step < self.steps and not self._tired(standing):
            epoch = standing.step // self.per_epoch
            for batches in self._epoch(epoch, standing.step % self.per_epoch):
                self._step(batches, standing)
                last = standing.step % self.per_epoch == 0
                every = options.evaluate_every_steps
                due = standing.step % every == 0 if every else last
                dev = None
                if due or standing.step == self.steps:
                    dev = self._evaluate(standing)
                if dev is not None or standing.step % CHECKPOINT_EVERY_STEPS == 0:
                    self.saved.save(
                        self.context.out / CHECKPOINT, standing, self.optimizer, self.scaler
                    )
                loss = standing.loss if standing.loss is not None else float("nan")
                self.context.report(Progress(options.name, standing.step, self.steps, loss, dev))
                if self._tired(standing):
                    break

    def _tired(self, standing: Standing) -> bool:
        return 0 < self.options.patience <= standing.stale

    def _order(self, epoch: int) -> list[Any]:
        generator = np.random.default_rng((self.context.seed, self.number, epoch))
        return batches_by_length(self.heard, self.options.batch, generator)

    def _epoch(self, epoch: int, first: int) -> Iterator[list[Batch]]:
        """Yields the batches of each step of an epoch, from step `first` on."""
        size = self.options.accumulate
        jobs = list(enumerate(self._order(epoch)))[first * size :]
        seed = self.context.seed

        def load(job: tuple[int, Any]) -> Batch | None:
            place, rows = job
            generator = np.random.default_rng((seed, self.number, epoch, place))
            return training_batch(self.train, rows, self.recipe, generator)

        ready: list[Batch | None] = []
        for batch in prefetch(load, jobs, self.context.workers):
            ready.append(batch)
            if len(ready) == size:
                yield [one for one in ready if one is not None]
                ready = []
        if ready:
            yield [one for one in ready if one is not None]

    def _step(self, batches: list[Batch], standing: Standing) -> None:
        device, options = self.context.device, self.options
        rate = options.learning_rate * rate_factor(options, standing.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        total = 0.0
        self.optimizer.zero_grad()
        for batch in batches:
            with autocast(device, self.dtype):
                logits = self.model(batch.waves.to(device), batch.lengths.to(device))
            loss = nn.functional.cross_entropy(
                logits, batch.labels.to(device), weight=self.weights
            ) / len(batches)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        standing.step += 1
        if not batches:
            return
        if not np.isfinite(total) and not self.scaler.is_enabled():
            raise UserError(
                f"the training diverged at step {standing.step} of stage {options.name}: "
                "lower its learning_rate"
            )
        self.scaler.unscale_(self.optimizer)
        if options.gradient_clip > 0:
            nn.utils.clip_grad_norm_(self.trained, options.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        standing.loss = total if standing.loss is None else 0.95 * standing.loss + 0.05 * total
        if standing.step % TRACK_EVERY_STEPS == 0:
            self._track({"train/loss": total, "train/learning_rate": rate}, standing)

    def _evaluate(self, standing: Standing) -> dict[str, float]:
        self.model.eval()
        model = scoring_traits(self.recipe)
        windows, _ = score_clips(
            TorchScorer(scorer(self.model, self.context.device, self.dtype)),
            self.dev,
            model,
            filled=self.recipe.padding == "zero",
            batch=2 * self.options.batch,
            workers=self.context.workers,
        )
        set_training(self.model, self.options)
        made = figures(windows, self.dev, model)
        value, best = made[self.recipe.best_by], standing.best
        better = best is None or (value < best if self.recipe.best_by == "eer" else value > best)
        if better:
            standing.best, standing.stale = value, 0
            standing.best_at = f"stage {self.options.name}, step {standing.step}"
            save_best(self.model, self.saved.names, self.context.out)
        else:
            standing.stale += 1
        entry = {"stage": self.options.name, "step": standing.step, "loss": standing.loss, **made}
        with (self.context.out / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")
        self._track({f"dev/{name}": figure for name, figure in made.items()}, standing)
        return made

    def _track(self, values: dict[str, float], standing: Standing) -> None:
        """Adds points over the clips heard so far, so that one stage's curve continues the last."""
        clips = standing.step * self.options.batch * self.options.accumulate
        self.context.tracker.add(values, self.offset + clips)


def make_optimizer(parameters: list[nn.Parameter], stage: Stage) -> torch.optim.Optimizer:
    """Returns AdamW for the parameters that a stage trains."""
    groups: list[dict[str, Any]] = [{"params": parameters, "weight_decay": stage.weight_decay}]
    if stage.decay == "matrices":
        plain = [one for one in parameters if one.ndim <= 1]
        groups = [
            {
                "params": [one for one in parameters if one.ndim > 1],
                "weight_decay": stage.weight_decay,
            },
            {"params": plain, "weight_decay": 0.0},
        ]
    return torch.optim.AdamW(groups, lr=stage.learning_rate)
