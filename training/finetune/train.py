"""A fine-tuning recipe from data to a model folder with its card."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from dfd.streaming.options import PROVISIONAL_SECONDS
from dfd.training.finetune.audio import scoring_traits
from dfd.training.finetune.loop import describe, fit
from dfd.training.finetune.network import build_classifier
from dfd.training.finetune.recipe import FinetuneRecipe
from dfd.training.finetune.stage import FitContext, Progress, figures
from dfd.training.finetune.state import Standing
from dfd.training.material.clips import Clips
from dfd.training.material.scan import scan_splits, tell_unreadable
from dfd.training.material.splits import Splits
from dfd.training.run.options import RunOptions
from dfd.training.run.progress import Talk
from dfd.training.run.tracking import Tracker
from dfd.training.scoring import TorchScorer, score_clips
from dfd.training.weights.classifier import Classifier, scorer
from dfd.training.weights.layouts import write_state, write_transformers
from dfd.training.weights.modelcard import Made, write_card
from dfd.training.weights.pretrained import Backbone, load_backbone
from dfd.training.weights.serving import ServedAs, in_a_row, serving_facts

MODEL = "model"
SCORING_BATCH = 16


def run(
    recipe: FinetuneRecipe,
    splits: Splits,
    backbone_name: str,
    options: RunOptions,
    tracker: Tracker,
    talk: Talk,
) -> str:
    """Trains, selects on dev, calibrates, and writes `model/` below `options.out`.

    Returns:
        A line with the dev figures of the written weights.

    Raises:
        UserError: with one line for the user.
    """
    backbone = load_backbone(backbone_name)
    train, dev = scan_splits(splits, options.workers, talk)
    model = build_classifier(backbone, recipe, options.seed)
    identity = {
        "recipe": describe(recipe),
        "backbone": backbone.sha256,
        "seed": options.seed,
        "data": _digest(train, dev),
    }
    with _StageBars(talk) as bars:
        context = FitContext(
            options.out, options.device, options.seed, options.workers, tracker, bars.report
        )
        standing = fit(model, recipe, train, dev, identity, context, resume=options.resume)
    made = _finish(model, recipe, backbone, standing, splits, train, dev, options, talk)
    return f"dev EER {100 * made['eer']:.2f} %, ROC-AUC {made['auc']:.4f}"


class _StageBars:
    """A progress bar for each stage, and a line for each evaluation."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._open = ExitStack()
        self._stage = ""
        self._done = 0

    def report(self, progress: Progress) -> None:
        """Shows one step of the loop."""
        if progress.stage != self._stage:
            self._open.close()
            self._tick = self._open.enter_context(
                self._talk.bar(f"stage {progress.stage}", progress.steps)
            )
            self._stage, self._done = progress.stage, 0
        self._tick(progress.step - self._done, f"loss {progress.loss:.3f}")
        self._done = progress.step
        if progress.dev is not None:
            told = "  ".join(f"{name} {value:.4f}" for name, value in progress.dev.items())
            self._talk.say(
                f"{progress.stage} {progress.step}/{progress.steps}: "
                f"loss {progress.loss:.4f}  dev {told}"
            )

    def __enter__(self) -> _StageBars:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


def _finish(
    model: Classifier,
    recipe: FinetuneRecipe,
    backbone: Backbone,
    standing: Standing,
    splits: Splits,
    train: Clips,
    dev: Clips,
    options: RunOptions,
    talk: Talk,
) -> dict[str, float]:
    """Measures the best weights, calibrates them as they are served, and writes them."""
    model.eval()
    score = TorchScorer(scorer(model, options.device))
    authors, served = scoring_traits(recipe), ServedAs(recipe.name, padding=recipe.padding)
    score_dev = partial(
        score_clips,
        score,
        dev,
        filled=recipe.padding == "zero",
        batch=SCORING_BATCH,
        workers=options.workers,
    )
    with talk.bar("scoring dev", len(dev.recordings)) as tick:
        windows, _ = score_dev(authors, progress=tick)
    made = figures(windows, dev, authors)
    with talk.bar("calibrating", len(dev.recordings)) as tick:
        whole, beginnings = score_dev(
            served.traits(), beginnings=PROVISIONAL_SECONDS, progress=tick
        )
    facts = serving_facts(
        whole,
        beginnings,
        in_a_row(dev.recordings, whole),
        dev.recordings,
        served,
    )
    folder = options.out / MODEL
    if recipe.head == "mlp":
        write_state(model.cpu(), facts, folder / "best.pt")
    else:
        write_transformers(model.cpu(), facts, folder)
    if options.checkpoint and recipe.head != "mlp":
        books = {"epoch": standing.step, "best_eer": made["eer"], "config": describe(recipe)}
        write_state(model, facts, options.out / "checkpoint" / "stage2_best.pt", books=books)
    unreadable = {**train.unreadable, **dev.unreadable}
    write_card(folder, _card(recipe, backbone, standing, made, options, folder, unreadable), splits)
    for clips, split in ((train, "train"), (dev, "dev")):
        tell_unreadable(clips, split, talk)
    return made


def _card(
    recipe: FinetuneRecipe,
    backbone: Backbone,
    standing: Standing,
    made: dict[str, float],
    options: RunOptions,
    folder: Path,
    unreadable: dict[str, str],
) -> Made:
    return Made(
        title=f"{recipe.name} on {backbone.name}",
        recipe=recipe.name,
        summary=(
            "A Wav2Vec2 backbone with a classifier on the mean of its frames; output 0 is bona "
            "fide, output 1 spoof. Made by dfd; `dfd.json` holds its calibration and thresholds."
        ),
        backbone=backbone.name,
        backbone_sha256=backbone.sha256,
        seed=options.seed,
        figures=[
            ("dev EER", f"{100 * made['eer']:.2f} %"),
            ("dev ROC-AUC", f"{made['auc']:.4f}"),
            ("chosen by", f"dev {recipe.best_by}, at {standing.best_at}"),
        ],
        options=describe(recipe),
        serve=f"Serve it with `dfd serve --model {folder.name}/`, or use the path of this folder.",
        unreadable=unreadable,
    )


def _digest(*splits: Clips) -> str:
    """Returns a digest of what a resumed run must find unchanged: files, labels and lengths."""
    digest = hashlib.sha256()
    for clips in splits:
        for recording, length in zip(clips.recordings, clips.lengths, strict=True):
            digest.update(f"{recording.file}\t{recording.label}\t{length}\n".encode())
        digest.update(b"\n")
    return digest.hexdigest()
