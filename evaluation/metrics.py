"""Figures of merit of a detector, from scores (higher: more likely spoof) and labels (1: spoof).

- EER by linear interpolation between the operating points of the ROC curve
- Cllr and minCllr (Brümmer and du Preez 2006), the latter by isotonic regression
- min DCF of the ASVspoof 5 kind: miss cost 1, false-alarm cost 10, spoof prior 0.05
- expected calibration error of P(spoof) in bins of equal count
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def roc(scores: FloatArray, labels: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Thresholds and, for "spoof if score >= threshold", false-alarm and miss rates, ascending.

    Ties in score move together. The last point is a threshold above every score. Raises
    ``ValueError`` unless both classes are present.
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels)
    spoof, human = int((labels == 1).sum()), int((labels == 0).sum())
    if spoof == 0 or human == 0:
        raise ValueError("both bona fide and spoof scores are needed")
    order = np.argsort(scores, kind="stable")
    ordered, sorted_labels = scores[order], labels[order]
    first = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    starts = np.flatnonzero(first)
    spoof_below = np.concatenate(([0], np.cumsum(sorted_labels == 1)))
    human_below = np.concatenate(([0], np.cumsum(sorted_labels == 0)))
    index = np.concatenate((starts, [len(ordered)]))
    thresholds = np.concatenate((ordered[starts], [np.inf]))
    return thresholds, 1 - human_below[index] / human, spoof_below[index] / spoof


def eer(scores: FloatArray, labels: IntArray) -> float:
    """Equal error rate (0 to 1) by linear interpolation of the ROC curve."""
    _, false_alarm, miss = roc(scores, labels)
    gap = miss - false_alarm
    after = int(np.argmax(gap >= 0))
    if after == 0:
        return float(false_alarm[0] + miss[0]) / 2
    before = after - 1
    part = -gap[before] / (gap[after] - gap[before])
    return float(miss[before] + part * (miss[after] - miss[before]))


def auc(scores: FloatArray, labels: IntArray) -> float:
    """Area under the ROC curve, ties counted half."""
    _, false_alarm, miss = roc(scores, labels)
    return float(np.trapezoid((1 - miss)[::-1], false_alarm[::-1]))


def cllr(llrs: FloatArray, labels: IntArray) -> float:
    """Cost of natural-log likelihood ratios, in bits; 0 is perfect, 1 says nothing."""
    spoof = np.logaddexp(0, -llrs[labels == 1]).mean()
    human = np.logaddexp(0, llrs[labels == 0]).mean()
    return float((spoof + human) / 2 / np.log(2))


def min_cllr(scores: FloatArray, labels: IntArray) -> float:
    """Cllr after the best monotone calibration (pool adjacent violators)."""
    from scipy.optimize import isotonic_regression

    scores, labels = np.asarray(scores, np.float64), np.asarray(labels)
    inverse = np.unique(scores, return_inverse=True)[1]
    count = np.bincount(inverse)
    mean = np.bincount(inverse, weights=labels == 1) / count
    fitted = isotonic_regression(mean, weights=count).x[inverse]
    spoof, human = (labels == 1).sum(), (labels == 0).sum()
    with np.errstate(divide="ignore"):
        llrs = np.log(fitted) - np.log1p(-fitted) - np.log(spoof / human)
    return cllr(np.asarray(llrs, np.float64), labels)


def min_dcf(
    scores: FloatArray,
    labels: IntArray,
    *,
    spoof_prior: float = 0.05,
    miss_cost: float = 1.0,
    false_alarm_cost: float = 10.0,
) -> float:
    """Smallest detection cost over all thresholds, divided by that of the better trivial system."""
    _, false_alarm, miss = roc(scores, labels)
    at_miss, at_alarm = miss_cost * spoof_prior, false_alarm_cost * (1 - spoof_prior)
    cost = at_miss * miss + at_alarm * false_alarm
    return float(cost.min() / min(at_miss, at_alarm))


def expected_calibration_error(
    probabilities: FloatArray, labels: IntArray, bins: int = 10
) -> float:
    """Mean absolute gap between P(spoof) and the spoof share, in ``bins`` bins of equal count."""
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [abs(probabilities[part].mean() - labels[part].mean()) * len(part) for part in parts]
    return float(np.sum(gaps) / len(order))


def bootstrap_interval(
    statistic: Callable[[FloatArray, IntArray], float],
    scores: FloatArray,
    labels: IntArray,
    *,
    repeats: int = 200,
    seed: int = 0,
    coverage: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of ``statistic``, resampling each class with replacement."""
    generator = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == label) for label in (0, 1)]
    values = []
    for _ in range(repeats):
        rows = np.concatenate([generator.choice(part, part.size) for part in classes])
        values.append(statistic(scores[rows], labels[rows]))
    low, high = np.quantile(values, [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)
