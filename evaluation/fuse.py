"""Fits a fusion to a user's calls: the weights of its models, and the threshold of their sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dfd.detector.fusion import FusedDetector
from dfd.detector.spec import Calibration, ModelSpec
from dfd.errors import UserError
from dfd.evaluation.calibrate import LEAST_MACHINES, LEAST_PEOPLE, Call, Fitted, fit, score_calls
from dfd.evaluation.figures.calibration import fit_fusion

_RESAMPLINGS = 100
_SEED = 1

# one channel of a recording, scored by each model
MemberCalls = tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class FittedFusion:
    """The result of fitting.

    Attributes:
        weights: weight of each model by name.
        intervals: 95 % interval of each, over resampled calls.
        judged: threshold of the fusion, and what it misses.
    """

    weights: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    judged: Fitted


def require_calibrated(specs: Sequence[ModelSpec]) -> None:
    """Checks that the scores of models can be added.

    Raises:
        UserError: if those of one are not likelihood ratios.
    """
    for spec in specs:
        if spec.calibration == Calibration():
            raise UserError(
                f"{spec.name} is not calibrated, so its scores cannot be weighted: fit it alone"
                " first, with dfd calibrate --model"
            )


def score_members(
    path: str, detector: FusedDetector, on_finding: Callable[[str], None] = lambda words: None
) -> list[MemberCalls]:
    """Scores a recording by each model of a fusion, with one result for each channel.

    Args:
        path: path of the recording.
        detector: the fusion.
        on_finding: called with a sentence about anything cut short, damaged or not read.

    Raises:
        UserError: if it cannot be read.
    """
    first, *others = detector.members
    columns = [
        score_calls(path, first, on_finding),
        *(score_calls(path, member) for member in others),
    ]
    rows = zip(*columns, strict=True)
    return [row for row in rows if len({len(call.raw) for call in row}) == 1]


def fit_weights(
    people: Sequence[MemberCalls],
    machines: Sequence[MemberCalls],
    spec: ModelSpec,
    false_alarms_per_hour: float,
) -> FittedFusion:
    """Fits weights by logistic regression, then a threshold of the weighted sum.

    Args:
        people: human calls.
        machines: synthetic calls.
        spec: spec of the fusion.
        false_alarms_per_hour: acceptable false alarms per hour.

    Raises:
        UserError: if there are too few calls, or no model tells the two kinds apart.
    """
    people, machines = ([row for row in rows if len(row[0].raw)] for rows in (people, machines))
    for rows, kind, least in (
        (people, "human", LEAST_PEOPLE),
        (machines, "synthetic", LEAST_MACHINES),
    ):
        if len(rows) < least:
            raise UserError(f"{len(rows)} {kind} calls were scored: weights need at least {least}")
    weights = _fit(people, machines)
    if weights.sum() <= 0.0:
        raise UserError("none of the models tells these people from these machines")
    low, high = _intervals(people, machines)
    names = [member.name for member in spec.members]
    judged = fit(
        [_sum(row, weights) for row in people],
        [_sum(row, weights) for row in machines],
        spec,
        false_alarms_per_hour,
        calibrate=False,
    )
    return FittedFusion(
        dict(zip(names, weights.tolist(), strict=True)),
        dict(zip(names, zip(low.tolist(), high.tolist(), strict=True), strict=True)),
        judged,
    )


def fusion_fields(fitted: FittedFusion) -> dict[str, Any]:
    """Returns the fields of `dfd.json` with what was fitted."""
    threshold = fitted.judged.threshold
    return {
        "fusion": {
            "weights": {name: round(weight, 6) for name, weight in fitted.weights.items()},
            "threshold": threshold.value,
            "calls_of_people": threshold.calls,
            "calls_of_machines": fitted.judged.machines,
        }
    }


def _sum(row: MemberCalls, weights: npt.NDArray[np.float64]) -> Call:
    """Adds the weighted scores of the models for one channel."""
    columns = np.stack([call.raw for call in row], axis=1)
    return replace(row[0], raw=columns @ weights)


def _fit(people: Sequence[MemberCalls], machines: Sequence[MemberCalls]) -> npt.NDArray[np.float64]:
    """Fits weights, with equal weight for all calls of a class."""
    rows = [*people, *machines]
    llrs = np.concatenate([np.stack([call.raw for call in row], axis=1) for row in rows])
    sizes = [len(row[0].raw) for row in rows]
    labels = np.repeat([int(at >= len(people)) for at in range(len(rows))], sizes)
    return fit_fusion(llrs, labels, np.repeat([1.0 / size for size in sizes], sizes))


def _intervals(
    people: Sequence[MemberCalls], machines: Sequence[MemberCalls]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns both ends of the bootstrap intervals of the weights, resampling calls."""
    generator = np.random.default_rng(_SEED)
    found = []
    for _ in range(_RESAMPLINGS):
        drawn = [
            [side[at] for at in generator.integers(0, len(side), len(side))]
            for side in (people, machines)
        ]
        found.append(_fit(*drawn))
    low, high = np.quantile(found, [0.025, 0.975], axis=0)
    return low, high
