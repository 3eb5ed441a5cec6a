"""Runs a recipe on frozen features, from data to a model folder with its card."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from dfd.evaluation.figures import metrics
from dfd.evaluation.score_files import write_scores
from dfd.streaming.options import PROVISIONAL_SECONDS
from dfd.training.frozen.contrastive import Projection, centroid_scores, fit_projection
from dfd.training.frozen.folding import fold
from dfd.training.frozen.logreg import LinearModel, fit_logistic
from dfd.training.frozen.parts import Parts, make_parts
from dfd.training.frozen.recipe import FrozenRecipe
from dfd.training.frozen.saved import FrozenModel
from dfd.training.material.scan import scan_splits, tell_unreadable
from dfd.training.material.splits import Splits
from dfd.training.run.options import RunOptions
from dfd.training.run.progress import Talk
from dfd.training.run.tracking import Tracker
from dfd.training.scoring import TorchScorer, score_clips
from dfd.training.weights.classifier import Classifier, scorer
from dfd.training.weights.layouts import write_transformers
from dfd.training.weights.modelcard import Made, write_card
from dfd.training.weights.pretrained import Backbone, load_backbone
from dfd.training.weights.serving import ServedAs, in_a_row, serving_facts

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

KINDS = ("all", "embeddings", "spectral")
SCORING_BATCH = 16


def run(
    recipe: FrozenRecipe,
    splits: Splits,
    backbone_name: str,
    options: RunOptions,
    tracker: Tracker,
    talk: Talk,
) -> str:
    """Extracts features, fits, measures, and writes `model/`, `full/` and `results.json`.

    `model/` is the part that is linear in the embeddings and can be served live; `full/` is the
    regression on all features (see `saved`) with its scores on dev. An interrupted run continues
    with the features on disk; the rest takes seconds and is the same each time.

    Returns:
        A line with the figures.
    """
    backbone = load_backbone(backbone_name)
    train, dev = scan_splits(splits, options.workers, talk)
    parts = make_parts(recipe, backbone, train, dev, options, talk)
    seed, workers = options.seed, options.workers
    results: dict[str, Any] = {}
    models: dict[str, LinearModel] = {}
    with talk.bar("logistic regression", len(KINDS)) as tick:
        for kind in KINDS:
            models[kind] = fit_logistic(
                parts.fitted.features.columns(kind),
                parts.fitted.labels,
                recipe.c_grid,
                recipe.folds,
                seed,
                workers=workers,
            )
            results[f"logreg_{kind}"] = _judged(
                models[kind], parts, lambda part, kind=kind: part.features.columns(kind)
            )
            tick(1)
    projection = None
    if recipe.name == "contrastive":
        projection, regression = _contrast(recipe, parts, results, options, tracker, talk)
        classifier = fold(backbone, regression, projection)
    else:
        classifier = fold(backbone, models["embeddings"])
    options.out.mkdir(parents=True, exist_ok=True)
    FrozenModel.of(models["all"], backbone, recipe).save(options.out / "full")
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    judged = parts.calibrating
    write_scores(
        options.out / "full" / "scores-dev.txt",
        judged.clips.recordings,
        models["all"].scores(judged.features.columns("all")),
    )
    _write(recipe, backbone, classifier, parts, splits, results, options, talk)
    for clips, split in ((train, "train"), (dev, "dev")):
        tell_unreadable(clips, split, talk)
    told = []
    for name, figures in results.items():
        told += [f"{name}: " + ", ".join(_told(figures))]
    return "\n".join(told)


def _contrast(
    recipe: FrozenRecipe,
    parts: Parts,
    results: dict[str, Any],
    options: RunOptions,
    tracker: Tracker,
    talk: Talk,
) -> tuple[Projection, LinearModel]:
    """Trains the projection; measures it by centroids and by a regression on its output."""
    fitted = parts.fitted
    wanted = recipe.contrastive
    with talk.bar("contrastive projection", wanted.epochs) as tick:

        def report(epoch: int, loss: float) -> None:
            tick(1, f"loss {loss:.4f}")
            tracker.add({"train/triplet_loss": loss}, epoch * len(fitted.labels))

        projection = fit_projection(
            fitted.features.embeddings, fitted.labels, wanted, options.seed, report
        )
    projected = projection.apply(fitted.features.embeddings)
    results["contrastive_centroids"] = {
        name: _figures(
            centroid_scores(projection.apply(part.features.embeddings), projected, fitted.labels),
            part.labels,
        )
        for name, part in parts.judged.items()
    }
    regression = fit_logistic(
        projected, fitted.labels, recipe.c_grid, recipe.folds, options.seed, workers=options.workers
    )
    results["contrastive_logreg"] = {
        "c": regression.c,
        "cross_validated_auc": regression.cross_validated,
        **{
            name: _figures(
                regression.scores(projection.apply(part.features.embeddings)), part.labels
            )
            for name, part in parts.judged.items()
        },
    }
    return projection, regression


def _judged(model: LinearModel, parts: Parts, columns: Any) -> dict[str, Any]:
    return {
        "c": model.c,
        "cross_validated_auc": model.cross_validated,
        **{
            name: _figures(model.scores(columns(part)), part.labels)
            for name, part in parts.judged.items()
        },
    }


def _figures(scores: FloatArray, labels: IntArray) -> dict[str, float]:
    return {"auc": metrics.auc(scores, labels), "eer": metrics.eer(scores, labels)}


def _told(figures: dict[str, Any]) -> list[str]:
    told = []
    if "cross_validated_auc" in figures:
        told.append(f"C {figures['c']:g}, cross-validated AUC {figures['cross_validated_auc']:.4f}")
    for name in ("held_out", "dev"):
        if name in figures:
            one = figures[name]
            told.append(
                f"{name.replace('_', ' ')} AUC {one['auc']:.4f} EER {100 * one['eer']:.2f} %"
            )
    return told


def _write(
    recipe: FrozenRecipe,
    backbone: Backbone,
    classifier: Classifier,
    parts: Parts,
    splits: Splits,
    results: dict[str, Any],
    options: RunOptions,
    talk: Talk,
) -> None:
    """Calibrates the linear part as it is served, and writes it with its card."""
    padding = "mask" if backbone.masks else "zero"
    clips = parts.calibrating.clips
    served_as = ServedAs(recipe.name, padding=padding)
    with talk.bar("calibrating", len(clips.recordings)) as tick:
        whole, beginnings = score_clips(
            TorchScorer(scorer(classifier.to(options.device), options.device)),
            clips,
            served_as.traits(),
            filled=padding == "zero",
            batch=SCORING_BATCH,
            workers=options.workers,
            beginnings=PROVISIONAL_SECONDS,
            progress=tick,
        )
    facts = serving_facts(
        whole,
        beginnings,
        in_a_row(clips.recordings, whole),
        clips.recordings,
        served_as,
    )
    folder = options.out / "model"
    write_transformers(classifier.cpu(), facts, folder)
    served = "contrastive_logreg" if recipe.name == "contrastive" else "logreg_embeddings"
    made = Made(
        title=f"{recipe.name} on {backbone.name}, frozen",
        recipe=recipe.name,
        summary=(
            "Logistic regression on the time-mean of a frozen Wav2Vec2's last hidden state"
            + (", projected by the contrastive branch" if recipe.name == "contrastive" else "")
            + f"; `{served}` below. Everything in it is linear, so it can be served like any other "
            "classifier. The regression that also uses hand-made features (`logreg_all`) is in "
            "`../full` and cannot be served live: the daemon's networks see only the waveform."
        ),
        backbone=backbone.name,
        backbone_sha256=backbone.sha256,
        seed=options.seed,
        figures=[(name, "; ".join(_told(figures))) for name, figures in results.items()],
        options=dataclasses.asdict(recipe),
        serve=f"Serve it with `dfd serve --model {folder.name}/`, or use the path of this folder.",
        unreadable=parts.calibrating.clips.unreadable,
    )
    write_card(folder, made, splits)
