"""What a detector is worth on a manifest: pooled, by source, by system, within sources.

The figures are a plain nested dict, written as JSON by ``dfd evaluate``. Scores are LLRs of
whole recordings (see ``scoring``), labels 1 for spoof.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dfd.evaluation import metrics
from dfd.evaluation.calibration import fit_calibration, probability
from dfd.evaluation.corpus import Recording

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def evaluate(
    llrs: FloatArray,
    recordings: Sequence[Recording],
    *,
    threshold: float | None = None,
    bootstrap_repeats: int = 200,
) -> dict[str, Any]:
    """Figures of scores (N,), NaN where a recording could not be read.

    ``by_system`` sets each spoofing system against all bona fide recordings; ``by_source`` has an
    EER where a source holds both labels. ``threshold`` on P(spoof) adds false-alarm and miss
    rates. Raises ``ValueError`` unless both labels are present.
    """
    usable = ~np.isnan(llrs)
    rows = [recording for recording, keep in zip(recordings, usable, strict=True) if keep]
    scores = llrs[usable]
    labels = np.array([row.label for row in rows], dtype=np.int64)
    figures: dict[str, Any] = {"pooled": pooled(scores, labels, bootstrap_repeats)}
    if threshold is not None:
        alerts = probability(scores) >= threshold
        figures["pooled"]["threshold"] = threshold
        figures["pooled"]["false_alarm_rate"] = float(alerts[labels == 0].mean())
        figures["pooled"]["miss_rate"] = float((~alerts[labels == 1]).mean())
    figures["by_source"] = by_source(scores, labels, rows, threshold)
    within = [entry["eer"] for entry in figures["by_source"].values() if entry["eer"] is not None]
    figures["within_source_mean_eer"] = float(np.mean(within)) if within else None
    figures["by_system"] = by_system(scores, labels, rows, threshold)
    figures["unreadable"] = {
        "count": int((~usable).sum()),
        "files": [r.file for r, keep in zip(recordings, usable, strict=True) if not keep],
    }
    return figures


def summary(scores: FloatArray, recordings: Sequence[Recording]) -> dict[str, float]:
    """The three figures that a training run watches: pooled and within-source EER, minCllr."""
    labels = np.array([row.label for row in recordings], dtype=np.int64)
    sources = by_source(scores, labels, recordings, None)
    within = [entry["eer"] for entry in sources.values() if entry["eer"] is not None]
    return {
        "eer": metrics.eer(scores, labels),
        "within_source_eer": float(np.mean(within)) if within else float("nan"),
        "min_cllr": metrics.min_cllr(scores, labels),
    }


def pooled(scores: FloatArray, labels: IntArray, bootstrap_repeats: int) -> dict[str, Any]:
    """All figures of one set of scores; a 95 % bootstrap interval of the EER."""
    figures: dict[str, Any] = {
        "eer": metrics.eer(scores, labels),
        "n_bonafide": int((labels == 0).sum()),
        "n_spoof": int((labels == 1).sum()),
        "auc": metrics.auc(scores, labels),
        "min_dcf": metrics.min_dcf(scores, labels),
        "cllr": metrics.cllr(scores, labels),
        "min_cllr": metrics.min_cllr(scores, labels),
        "ece": prior_free_ece(scores, labels),
        "ece_crossed_halves": crossed_ece(scores, labels),
    }
    if bootstrap_repeats:
        figures["eer_interval"] = list(
            metrics.bootstrap_interval(metrics.eer, scores, labels, repeats=bootstrap_repeats)
        )
    return figures


def prior_free_ece(llrs: FloatArray, labels: IntArray) -> float:
    """ECE of P(spoof) at the set's own prior, so that its class balance is no error."""
    prior = float(labels.mean())
    return metrics.expected_calibration_error(
        probability(llrs + np.log(prior / (1 - prior))), labels
    )


def crossed_ece(llrs: FloatArray, labels: IntArray, seed: int = 0) -> float:
    """Mean ECE of two random halves, each calibrated on the other."""
    halves = np.random.default_rng(seed).permutation(len(llrs)) % 2
    values = []
    for half in (0, 1):
        fit, test = halves != half, halves == half
        if any(len(set(labels[part].tolist())) < 2 for part in (fit, test)):
            return float("nan")
        calibrated = fit_calibration(llrs[fit], labels[fit]).apply(llrs[test])
        values.append(prior_free_ece(calibrated, labels[test]))
    return float(np.mean(values))


def by_source(
    scores: FloatArray,
    labels: IntArray,
    recordings: Sequence[Recording],
    threshold: float | None,
) -> dict[str, dict[str, Any]]:
    """Per source: EER where both labels occur (else None), counts, rates at the threshold."""
    names = np.array([recording.source for recording in recordings])
    figures = {}
    for name in sorted(set(names.tolist())):
        here = names == name
        entry = _counts(scores[here], labels[here], threshold)
        both = entry["n_bonafide"] > 0 and entry["n_spoof"] > 0
        figures[name] = {"eer": metrics.eer(scores[here], labels[here]) if both else None, **entry}
    return figures


def by_system(
    scores: FloatArray,
    labels: IntArray,
    recordings: Sequence[Recording],
    threshold: float | None,
) -> dict[str, dict[str, Any]]:
    """Per spoofing system: EER against all bona fide recordings, counts, rates."""
    names = np.array([recording.system for recording in recordings])
    human = labels == 0
    figures = {}
    for name in sorted(set(names[~human].tolist())):
        here = human | ((names == name) & ~human)
        entry = _counts(scores[here], labels[here], threshold)
        figures[name] = {"eer": metrics.eer(scores[here], labels[here]), **entry}
    return figures


def _counts(scores: FloatArray, labels: IntArray, threshold: float | None) -> dict[str, Any]:
    human, spoof = scores[labels == 0], scores[labels == 1]
    entry: dict[str, Any] = {"n_bonafide": human.size, "n_spoof": spoof.size}
    if threshold is not None:
        if human.size:
            entry["false_alarm_rate"] = float((probability(human) >= threshold).mean())
        if spoof.size:
            entry["miss_rate"] = float((probability(spoof) < threshold).mean())
    return entry
