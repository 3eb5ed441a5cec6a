"""Curves of a set of scores, reduced to as many points as a plot can show."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dfd.evaluation.figures import metrics
from dfd.evaluation.figures.breakdown import at_own_prior

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_POINTS = 300
_BINS = 40
_CALIBRATION_BINS = 10


def curves(llrs: FloatArray, labels: IntArray) -> dict[str, Any]:
    """Computes the curves of LLRs (N,) of both labels."""
    return {
        "roc": error_rates(llrs, labels),
        "histogram": histogram(llrs, labels),
        "calibration": reliability(llrs, labels),
    }


def error_rates(llrs: FloatArray, labels: IntArray) -> dict[str, list[float]]:
    """Computes up to a few hundred points: LLR threshold, false-alarm rate and miss rate.

    The last point, which never alerts, has no finite threshold and is left out.
    """
    thresholds, false_alarm, miss = (part[:-1] for part in metrics.roc(llrs, labels))
    # as many points as a plot needs, spaced along the curve rather than along the scores
    length = np.hypot(np.diff(_stretched(false_alarm)), np.diff(_stretched(miss)))
    way = np.concatenate(([0.0], np.cumsum(length)))
    kept = np.unique(np.searchsorted(way, np.linspace(0, way[-1], _POINTS)))
    return {
        "threshold_llr": thresholds[kept].tolist(),
        "false_alarm_rate": false_alarm[kept].tolist(),
        "miss_rate": miss[kept].tolist(),
    }


def histogram(llrs: FloatArray, labels: IntArray) -> dict[str, list[float]]:
    """Counts each label in bins of equal width; the outermost bins include what is beyond them."""
    low, high = np.quantile(llrs, [0.002, 0.998])
    if low == high:
        low, high = low - 1, high + 1
    edges = np.linspace(low, high, _BINS + 1)
    kept = np.clip(llrs, low, high)
    return {
        "edges_llr": edges.tolist(),
        "bonafide": np.histogram(kept[labels == 0], edges)[0].tolist(),
        "spoof": np.histogram(kept[labels == 1], edges)[0].tolist(),
    }


def reliability(llrs: FloatArray, labels: IntArray) -> list[dict[str, float]]:
    """Computes mean P(spoof) at the set's own prior and the share of spoofs, in equal bins."""
    probabilities = at_own_prior(llrs, labels)
    order = np.argsort(probabilities, kind="stable")
    return [
        {
            "mean_probability": float(probabilities[part].mean()),
            "spoof_share": float(labels[part].mean()),
            "count": int(part.size),
        }
        for part in np.array_split(order, min(_CALIBRATION_BINS, order.size))
    ]


def _stretched(rate: FloatArray) -> FloatArray:
    """Converts rates to normal deviates, the scale of DET curves."""
    from scipy.special import ndtri

    return np.asarray(ndtri(np.clip(rate, 1e-5, 1 - 1e-5)), dtype=np.float64)
