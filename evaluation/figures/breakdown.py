"""Figures of scores: pooled, by source, by system and by any other breakdown of a set.

The figures are plain nested dicts, written as JSON by `dfd evaluate`. Scores are LLRs of
whole recordings (see `scoring`), labels 1 for spoof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dfd.evaluation.corpus import Recording
from dfd.evaluation.figures import metrics, tdcf
from dfd.evaluation.figures.calibration import fit_calibration, probability
from dfd.evaluation.figures.tdcf import AsvScores
from dfd.evaluation.trials import (
    BY_EDITION,
    BY_KIND,
    BY_LANGUAGE,
    BY_SOURCE,
    BY_SYSTEM,
    Against,
    Table,
)

# shown if the trials contain them
_IF_STATED = (BY_EDITION, BY_KIND, BY_LANGUAGE)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

METHOD = {
    "eer": "linear interpolation between the operating points of the ROC curve",
    "eer_convex_hull": "where the lower convex hull of the ROC curve has equal error rates",
    "eer_interval": "95 % percentile bootstrap, recordings of each class resampled",
    "min_dcf": "ASVspoof 5: rejecting a bona fide recording costs 1, accepting a spoof 10, spoof"
    " prior 0.05, divided by the better trivial cost",
    "min_tdcf": "ASVspoof 2019 (legacy form): spoof prior 0.05, costs 1 and 10 of both systems, ASV"
    " at its own EER threshold",
    "cllr": "bits; min_cllr after isotonic regression (pool adjacent violators)",
    "ece": "ten bins of equal count, P(spoof) at the set's own prior; ece_crossed_halves: mean over"
    " random halves, each calibrated on the other",
    "rates": "false_alarm_rate: bona fide recordings whose P(spoof) at even odds reaches the"
    " threshold; miss_rate: spoofs that stay below it",
}

_CROSSED_SPLITS = 5


@dataclass(frozen=True)
class FigureOptions:
    """What to compute.

    Attributes:
        threshold: threshold on P(spoof) for false-alarm and miss rates; None leaves them out.
        bootstrap_repeats: samples for the EER's interval; 0 leaves it out.
        tables: breakdowns besides those by source and by system.
        asv: scores of a speaker verification system for the tandem cost.
    """

    threshold: float | None = None
    bootstrap_repeats: int = 200
    tables: tuple[Table, ...] = ()
    asv: AsvScores | None = None


def evaluate(
    llrs: FloatArray, recordings: Sequence[Recording], options: FigureOptions | None = None
) -> dict[str, Any]:
    """Computes the figures of scores (N,), none of them NaN.

    Raises:
        ValueError: if a label is missing.
        UserError: if no tandem cost is defined for the ASV scores.
    """
    options = options or FigureOptions()
    labels = np.array([row.label for row in recordings], dtype=np.int64)
    figures: dict[str, Any] = {"pooled": pooled(llrs, labels, options)}
    stated = tuple(
        table for table in _IF_STATED if any(getattr(r, table.field) for r in recordings)
    )
    tables = (BY_SOURCE, BY_SYSTEM, *stated, *options.tables)
    for table in tables:
        figures[table.name] = breakdown(llrs, labels, recordings, table, options)
    figures["within_source_mean_eer"] = _mean_eer(figures["by_source"])
    for table in options.tables:
        if table.against is Against.SOURCE:
            figures[f"{table.name}_mean_eer"] = _mean_eer(figures[table.name])
    figures["tables"] = {
        table.name: {"by": table.field, "against": table.against.value} for table in tables
    }
    return figures


def summary(scores: FloatArray, recordings: Sequence[Recording]) -> dict[str, float]:
    """Returns the three figures monitored in training: pooled and within-source EER, minCllr."""
    labels = np.array([row.label for row in recordings], dtype=np.int64)
    bare = FigureOptions(bootstrap_repeats=0)
    within = _mean_eer(breakdown(scores, labels, recordings, BY_SOURCE, bare))
    return {
        "eer": metrics.eer(scores, labels),
        "within_source_eer": float("nan") if within is None else within,
        "min_cllr": metrics.min_cllr(scores, labels),
    }


def pooled(scores: FloatArray, labels: IntArray, options: FigureOptions) -> dict[str, Any]:
    """Computes all figures of one set of scores."""
    figures: dict[str, Any] = {
        "eer": metrics.eer(scores, labels),
        "n_bonafide": int((labels == 0).sum()),
        "n_spoof": int((labels == 1).sum()),
        **_interval(scores, labels, options),
        "eer_convex_hull": metrics.eer_convex_hull(scores, labels),
        "auc": metrics.auc(scores, labels),
        "min_dcf": metrics.min_dcf(scores, labels),
        "cllr": metrics.cllr(scores, labels),
        "min_cllr": metrics.min_cllr(scores, labels),
        "ece": prior_free_ece(scores, labels),
        "ece_crossed_halves": crossed_ece(scores, labels),
        **rates(scores, labels, options.threshold),
    }
    if options.threshold is not None:
        figures["threshold"] = options.threshold
    if options.asv is not None:
        errors = tdcf.asv_errors(options.asv)
        figures["min_tdcf"] = tdcf.min_tdcf(scores, labels, errors)
        figures["asv"] = {
            "threshold": errors.threshold,
            "miss_rate": errors.miss,
            "false_acceptance_rate": errors.acceptance,
            "spoof_acceptance_rate": 1 - errors.spoof_miss,
        }
    return figures


def breakdown(
    scores: FloatArray,
    labels: IntArray,
    recordings: Sequence[Recording],
    table: Table,
    options: FigureOptions,
) -> dict[str, dict[str, Any]]:
    """Computes EER, its interval, counts and rates per group; EER is None if a label is missing.

    The spoofs of a group are compared with the bona fide recordings that `table` selects; groups
    without relevant recordings are left out, and all are if none has a name.
    """
    names = np.array([getattr(recording, table.field) for recording in recordings])
    sources = np.array([recording.source for recording in recordings])
    human = labels == 0
    figures: dict[str, dict[str, Any]] = {}
    if not any(names):
        return {}
    relevant = names if table.against is Against.GROUP else names[~human]
    for name in sorted(set(relevant.tolist())):
        named = names == name
        if table.against is Against.ALL:
            here = human | (named & ~human)
        elif table.against is Against.SOURCE:
            here = (human & np.isin(sources, sources[named & ~human])) | (named & ~human)
        else:
            here = named
        figures[name] = _group(scores[here], labels[here], options)
        if options.asv is not None and table.field == "system":
            figures[name]["min_tdcf"] = _attack_tdcf(scores[here], labels[here], options.asv, name)
    return figures


def rates(scores: FloatArray, labels: IntArray, threshold: float | None) -> dict[str, float]:
    """Returns the share of bona fide recordings at or above the threshold, and of spoofs below."""
    if threshold is None:
        return {}
    human, spoof = probability(scores[labels == 0]), probability(scores[labels == 1])
    made = {}
    if human.size:
        made["false_alarm_rate"] = float((human >= threshold).mean())
    if spoof.size:
        made["miss_rate"] = float((spoof < threshold).mean())
    return made


def prior_free_ece(llrs: FloatArray, labels: IntArray) -> float:
    """Returns the ECE of P(spoof) at the set's own prior, so that class balance does not count."""
    return metrics.expected_calibration_error(at_own_prior(llrs, labels), labels)


def at_own_prior(llrs: FloatArray, labels: IntArray) -> FloatArray:
    """Returns P(spoof) with the share of spoofs in the set as the prior."""
    prior = float(labels.mean())
    return probability(llrs + np.log(prior / (1 - prior)))


def crossed_ece(llrs: FloatArray, labels: IntArray) -> float | None:
    """Returns the mean ECE of random halves, each calibrated on the other; None if impossible."""
    values = []
    for seed in range(_CROSSED_SPLITS):
        halves = np.random.default_rng(seed).permutation(len(llrs)) % 2
        for half in (0, 1):
            fit, test = halves != half, halves == half
            if any(len(set(labels[part].tolist())) < 2 for part in (fit, test)):
                return None
            calibrated = fit_calibration(llrs[fit], labels[fit]).apply(llrs[test])
            values.append(prior_free_ece(calibrated, labels[test]))
    return float(np.mean(values))


def _group(scores: FloatArray, labels: IntArray, options: FigureOptions) -> dict[str, Any]:
    counts = {"n_bonafide": int((labels == 0).sum()), "n_spoof": int((labels == 1).sum())}
    figures: dict[str, Any] = {"eer": None, **counts}
    if all(counts.values()):
        figures["eer"] = metrics.eer(scores, labels)
        figures.update(_interval(scores, labels, options))
    return {**figures, **rates(scores, labels, options.threshold)}


def _interval(scores: FloatArray, labels: IntArray, options: FigureOptions) -> dict[str, Any]:
    if not options.bootstrap_repeats:
        return {}
    interval = metrics.eer_interval(scores, labels, repeats=options.bootstrap_repeats)
    return {"eer_interval": list(interval)}


def _attack_tdcf(scores: FloatArray, labels: IntArray, asv: AsvScores, attack: str) -> float | None:
    """Returns the tandem cost of one attack; None if the verifier has no trials of it."""
    errors = tdcf.asv_errors(asv, attack)
    if np.isnan(errors.spoof_miss) or errors.spoof_miss == 1:
        return None
    return tdcf.min_tdcf(scores, labels, errors)


def _mean_eer(groups: dict[str, dict[str, Any]]) -> float | None:
    """Returns the mean over the groups that have an EER."""
    values = [entry["eer"] for entry in groups.values() if entry["eer"] is not None]
    return float(np.mean(values)) if values else None


def bare(options: FigureOptions) -> FigureOptions:
    """Returns the options without intervals, for figures that are computed many times."""
    return replace(options, bootstrap_repeats=0)
