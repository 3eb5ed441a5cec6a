"""Thresholds for a rate of false alarms, and what a number of human calls can guarantee.

A call's alarm level is the highest threshold at which it raises an alert. With a threshold just
above the (k+1)-th highest level of n calls, k of them raise one; whatever the levels' distribution,
the share of future calls of the same kind that do then follows Beta(k + 1, n - k) (Wilks 1941).
This accounts for choosing the threshold on the same calls, so that no second set is needed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# both ends together
CONFIDENCE = 0.95
_STEP = 1e-6
_MOST = 1.0


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold and what it guarantees; intervals hold with `CONFIDENCE`.

    Attributes:
        value: P(spoof) that raises an alert.
        calls: number of human calls that it was chosen on.
        hours: hours of audio in them.
        alarms: number of these calls that raise an alert at it.
        share: interval of the share of such calls that will raise one.
        per_hour: interval of false alarms per hour of such audio.
        again: interval of how many of the same number of further calls will raise one.
    """

    value: float
    calls: int
    hours: float
    alarms: int
    share: tuple[float, float]
    per_hour: tuple[float, float]
    again: tuple[int, int]


def alarm_level(probabilities: Sequence[float], consecutive_windows: int) -> float:
    """Returns the highest threshold that enough consecutive scores reach to raise an alert."""
    values = np.asarray(probabilities, np.float64)
    if len(values) < consecutive_windows:
        return 0.0
    runs = np.lib.stride_tricks.sliding_window_view(values, consecutive_windows)
    return float(runs.min(axis=1).max())


def choose_threshold(
    levels: npt.NDArray[np.float64], hours: float, wanted_per_hour: float
) -> Threshold:
    """Returns the lowest threshold at which no more calls raise an alert than wanted.

    Args:
        levels: alarm level of each human call.
        hours: hours of audio in all of them.
        wanted_per_hour: acceptable false alarms per hour.

    Raises:
        ValueError: if there are no calls.
    """
    from scipy.stats import beta, betabinom

    calls = len(levels)
    if not calls or hours <= 0.0:
        raise ValueError("no calls")
    allowed = min(int(wanted_per_hour * hours), calls - 1)
    value = min(_MOST, float(np.sort(levels)[::-1][allowed]) + _STEP)
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = (float(beta.ppf(q, allowed + 1, calls - allowed)) for q in (tail, 1.0 - tail))
    fewest, most = (
        int(betabinom.ppf(q, calls, allowed + 1, calls - allowed)) for q in (tail, 1.0 - tail)
    )
    rate = calls / hours
    return Threshold(
        value=value,
        calls=calls,
        hours=hours,
        alarms=int((levels >= value).sum()),
        share=(low, high),
        per_hour=(low * rate, high * rate),
        again=(fewest, most),
    )


def hours_without_alarms(per_hour: float) -> float:
    """Returns how many hours of calls, none of which raises an alert, show that fewer than this do.

    The limit of `Threshold.per_hour` for many calls.
    """
    return -math.log((1.0 - CONFIDENCE) / 2.0) / per_hour


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """Returns the Clopper-Pearson interval of a share, with `CONFIDENCE`."""
    from scipy.stats import beta

    tail = (1.0 - CONFIDENCE) / 2.0
    low = float(beta.ppf(tail, hits, count - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1.0 - tail, hits + 1, count - hits)) if hits < count else 1.0
    return low, high
