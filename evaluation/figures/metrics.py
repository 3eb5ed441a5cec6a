"""Figures of merit of a detector, from scores (higher: more likely spoof) and labels (1: spoof).

- EER by linear interpolation between the operating points of the ROC curve, or on its convex hull
- Cllr and minCllr (Brümmer and du Preez 2006), the latter by isotonic regression
- min DCF as ASVspoof 5 defines it: rejecting bona fide costs 1, accepting a spoof 10, with a spoof
  prior of 0.05
- expected calibration error of P(spoof) in bins of equal count
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def roc(scores: FloatArray, labels: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Returns ascending thresholds, with the false-alarm and miss rates of "score >= threshold".

    Equal scores share one point. The last point is a threshold above every score.

    Raises:
        ValueError: if a class is missing.
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
    """Returns the equal error rate (0 to 1) by linear interpolation of the ROC curve."""
    _, false_alarm, miss = roc(scores, labels)
    return _crossing(false_alarm, miss)


def miss_rate_at(false_alarm_limit: float, scores: FloatArray, labels: IntArray) -> float:
    """Returns the least share of spoofs missed with at most this share of bona fide alarmed."""
    _, false_alarm, miss = roc(scores, labels)
    # 1 - 99 / 100 is a little more than 0.01
    return float(miss[false_alarm <= false_alarm_limit + 1e-12].min())


def eer_convex_hull(scores: FloatArray, labels: IntArray) -> float:
    """Returns the equal error rate on the lower convex hull of the ROC curve; at most `eer`."""
    _, false_alarm, miss = roc(scores, labels)
    hull: list[tuple[float, float]] = []
    # from the point that alerts always to the one that never does
    for point in zip(false_alarm.tolist(), miss.tolist(), strict=True):
        while len(hull) > 1 and _turn(hull[-2], hull[-1], point) >= 0:
            hull.pop()
        hull.append(point)
    corners = np.array(hull)
    return _crossing(corners[:, 0], corners[:, 1])


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Returns twice the signed area of a triangle: 0 or more if b is on or beyond the line a-c."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _crossing(false_alarm: FloatArray, miss: FloatArray) -> float:
    """Returns the rate at which falling false alarms and rising misses are equal."""
    gap = miss - false_alarm
    after = int(np.argmax(gap >= 0))
    if after == 0:
        return float(false_alarm[0] + miss[0]) / 2
    before = after - 1
    part = -gap[before] / (gap[after] - gap[before])
    return float(miss[before] + part * (miss[after] - miss[before]))


def auc(scores: FloatArray, labels: IntArray) -> float:
    """Returns the area under the ROC curve; ties count half."""
    _, false_alarm, miss = roc(scores, labels)
    return float(np.trapezoid((1 - miss)[::-1], false_alarm[::-1]))


def cllr(llrs: FloatArray, labels: IntArray) -> float:
    """Returns the cost of natural-log LLRs, in bits; 0 is perfect, 1 is uninformative."""
    spoof = np.logaddexp(0, -llrs[labels == 1]).mean()
    human = np.logaddexp(0, llrs[labels == 0]).mean()
    return float((spoof + human) / 2 / np.log(2))


def min_cllr(scores: FloatArray, labels: IntArray) -> float:
    """Returns Cllr after the best monotone calibration (pool adjacent violators)."""
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
    rejection_cost: float = 1.0,
    acceptance_cost: float = 10.0,
) -> float:
    """Returns the minimum detection cost over all thresholds, normalised.

    It is divided by the cost of the better trivial system. `rejection_cost` is the cost of a bona
    fide recording called spoof (the field's "miss"), `acceptance_cost` that of a spoof called bona
    fide (the field's "false acceptance").
    """
    _, false_alarm, miss = roc(scores, labels)
    rejected, accepted = rejection_cost * (1 - spoof_prior), acceptance_cost * spoof_prior
    cost = rejected * false_alarm + accepted * miss
    return float(cost.min() / min(rejected, accepted))


def expected_calibration_error(
    probabilities: FloatArray, labels: IntArray, bins: int = 10
) -> float:
    """Returns the mean gap between P(spoof) and the share of spoofs in bins of equal count."""
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [abs(probabilities[part].mean() - labels[part].mean()) * len(part) for part in parts]
    return float(np.sum(gaps) / len(order))


def eer_interval(
    scores: FloatArray,
    labels: IntArray,
    *,
    repeats: int = 200,
    seed: int = 0,
    coverage: float = 0.95,
) -> tuple[float, float]:
    """Returns a percentile bootstrap interval of `eer`, resampling each class."""
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels)
    generator = np.random.default_rng(seed)
    order = np.argsort(scores, kind="stable")
    ordered, is_spoof = scores[order], labels[order] == 1
    ends = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, [ordered.size]))
    places = [np.flatnonzero(~is_spoof), np.flatnonzero(is_spoof)]
    values = []
    for _ in range(repeats):
        human_below, spoof_below = (
            _share_below(place, ends, ordered.size, generator) for place in places
        )
        values.append(_crossing(1 - human_below, spoof_below))
    low, high = np.quantile(values, [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)


def _share_below(
    place: IntArray, ends: IntArray, size: int, generator: np.random.Generator
) -> FloatArray:
    """Returns the share of a resampled class before each of `ends`, in the order of scores."""
    drawn = np.bincount(place[generator.integers(0, place.size, place.size)], minlength=size)
    return np.concatenate(([0], np.cumsum(drawn)))[ends] / place.size
