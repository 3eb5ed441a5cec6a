"""Converts raw spoof log-odds to likelihood ratios, and those to thresholds.

The map is affine, fitted by prior-weighted logistic regression (Brümmer and du Preez 2006), so
that both classes count equally whatever their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dfd.detector.spec import Calibration

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def fit_calibration(
    raw: FloatArray, labels: IntArray, weights: FloatArray | None = None
) -> Calibration:
    """Fits scale and offset on raw scores (N,) with labels (N,), 1 for spoof.

    `weights` (N,) may make sources count equally; each class is then scaled to the same total.
    A tiny penalty keeps the scale finite where the classes are separable.
    """
    from scipy.optimize import minimize

    weight = _balanced(labels, weights)
    sign = np.where(labels == 1, 1.0, -1.0)

    def cost(parameters: FloatArray) -> float:
        llr = parameters[0] * raw + parameters[1]
        return float((weight * np.logaddexp(0, -sign * llr)).sum() + 1e-5 * parameters[0] ** 2)

    found = minimize(cost, np.array([1.0, 0.0]), method="Nelder-Mead", tol=1e-7)
    # A detector that is worse than chance is not inverted, only neutralised.
    return Calibration(scale=max(float(found.x[0]), 1e-4), offset=float(found.x[1]))


def fit_fusion(llrs: FloatArray, labels: IntArray, weights: FloatArray) -> FloatArray:
    """Fits a weight (M,), none below 0, for each column of calibrated LLRs (N, M).

    This is logistic regression without an offset, because each column has its own calibration;
    labels and weights are as for `fit_calibration`.
    """
    from scipy.optimize import minimize

    weight = _balanced(labels, weights)
    sign = np.where(labels == 1, 1.0, -1.0)
    count = llrs.shape[1]

    def cost(shares: FloatArray) -> tuple[float, FloatArray]:
        margin = sign * (llrs @ shares)
        lost = float((weight * np.logaddexp(0, -margin)).sum() + 1e-5 * (shares**2).sum())
        slope = -weight * sign * probability(-margin)
        return lost, slope @ llrs + 2e-5 * shares

    start = np.full(count, 1.0 / count)
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * count)
    return np.asarray(found.x, np.float64)


def _balanced(labels: IntArray, weights: FloatArray | None) -> FloatArray:
    """Scales weights (N,) so that each class has the same total."""
    weight = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    for label in (0, 1):
        total = weight[labels == label].sum()
        if total <= 0:
            raise ValueError("both bona fide and spoof scores are needed")
        weight = np.where(labels == label, weight / (2 * total), weight)
    return weight


def probability(llrs: FloatArray) -> FloatArray:
    """Returns P(spoof) at even prior odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(llrs, -60, 60))), dtype=np.float64)


def threshold_for_false_alarms(human_llrs: FloatArray, rate: float = 0.01) -> float:
    """Returns the P(spoof) that `rate` of human scores reach or exceed, at most 0.999."""
    cut = float(np.quantile(human_llrs, 1 - rate, method="higher"))
    return float(min(0.999, probability(np.array([cut]))[0] + 1e-4))


def intra_stream_correlation(streams: Sequence[FloatArray]) -> float:
    """Returns the intra-class correlation (0 to 1) of window LLRs within streams, by class.

    One-way random effects, ANOVA estimator: `(MSB - MSW) / (MSB + (k - 1) MSW)` with the
    effective stream length `k`. Streams of one window carry no information and are left out.
    """
    used = [np.asarray(stream, np.float64) for stream in streams if len(stream) > 1]
    if len(used) < 2:
        raise ValueError("at least two streams of two windows are needed")
    sizes = np.array([stream.size for stream in used], dtype=np.float64)
    total = sizes.sum()
    grand = np.concatenate(used).mean()
    between = sum(stream.size * (stream.mean() - grand) ** 2 for stream in used)
    within = sum(((stream - stream.mean()) ** 2).sum() for stream in used)
    mean_between = between / (len(used) - 1)
    mean_within = within / (total - len(used))
    length = (total - (sizes**2).sum() / total) / (len(used) - 1)
    ratio = (mean_between - mean_within) / (mean_between + (length - 1) * mean_within)
    return float(np.clip(ratio, 0.0, 1.0))
