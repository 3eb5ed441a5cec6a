from dataclasses import replace

import numpy as np
import pytest

from dfd.detector.fusion import Fusion
from dfd.detector.spec import Calibration
from dfd.errors import UserError
from dfd.evaluation.calibrate import Call
from dfd.evaluation.fuse import MemberCalls, fit_weights, fusion_fields, require_calibrated
from tests.evaluation.test_calibrate import calls
from tests.offline.loudness import SPEC

CALIBRATED = replace(SPEC, calibration=Calibration(0.5, 0.1))
FUSED = Fusion([replace(CALIBRATED, name="good"), replace(CALIBRATED, name="blind")]).spec


def member_calls(count: int, mean: float, seed: int) -> list[MemberCalls]:
    """Calls that one model tells apart, and the other does not."""
    good, blind = calls(count, mean, seed), calls(count, 0.0, seed + 100)
    return list(zip(good, blind, strict=True))


def doubled(side: list[Call]) -> list[MemberCalls]:
    """Calls that both models score alike."""
    return [(call, call) for call in side]


def test_the_informative_model_gets_the_weight() -> None:
    fitted = fit_weights(member_calls(60, -2.0, 1), member_calls(60, 2.0, 2), FUSED, 1.0)
    assert fitted.weights["good"] > 0.5
    assert fitted.weights["blind"] < 0.15
    low, high = fitted.intervals["good"]
    assert low < fitted.weights["good"] < high
    assert fitted.judged.calibration is None
    assert fitted.judged.missed is not None
    fields = fusion_fields(fitted)["fusion"]
    assert set(fields["weights"]) == {"good", "blind"}
    assert fields["threshold"] == fitted.judged.threshold.value


def test_two_that_say_the_same_of_a_call_share_the_weight_of_one() -> None:
    people, machines = calls(60, -2.0, 1), calls(60, 2.0, 2)
    once = fit_weights(member_calls(60, -2.0, 1), member_calls(60, 2.0, 2), FUSED, 1.0).weights[
        "good"
    ]
    shared = fit_weights(doubled(people), doubled(machines), FUSED, 1.0).weights
    assert sum(shared.values()) == pytest.approx(once, rel=0.1)


def test_what_cannot_be_weighed_is_refused() -> None:
    with pytest.raises(UserError, match="12 synthetic calls were scored: weights need at least 20"):
        fit_weights(member_calls(30, -2.0, 1), member_calls(12, 2.0, 2), FUSED, 1.0)
    people, machines = doubled(calls(30, 4.0, 1)), doubled(calls(30, -4.0, 1))
    with pytest.raises(UserError, match="none of the models tells these people"):
        fit_weights(people, machines, FUSED, 1.0)
    require_calibrated([CALIBRATED])
    with pytest.raises(UserError, match=r"raw is not calibrated.*dfd calibrate --model"):
        require_calibrated([CALIBRATED, replace(SPEC, name="raw", calibration=Calibration())])


def test_calls_without_scores_do_not_count() -> None:
    (silent,) = calls(1, 0.0, 5)
    silent = replace(silent, windows=(), raw=np.empty(0))
    people = [*member_calls(30, -2.0, 1), (silent, silent)]
    fitted = fit_weights(people, member_calls(30, 2.0, 2), FUSED, 1.0)
    assert fitted.judged.threshold.calls == 30
