from dataclasses import replace

import numpy as np
import pytest

from dfd.detector.fusion import Fusion
from dfd.detector.spec import Calibration
from dfd.errors import UserError
from dfd.evaluation.calibrate import Call
from dfd.evaluation.fuse import Heard, fit_weights, fusion_fields, require_calibrated
from tests.evaluation.test_calibrate import calls
from tests.offline.loudness import SPEC

CALIBRATED = replace(SPEC, calibration=Calibration(0.5, 0.1))
FUSED = Fusion([replace(CALIBRATED, name="good"), replace(CALIBRATED, name="deaf")]).spec


def heard(count: int, mean: float, seed: int) -> list[Heard]:
    """Calls of which one model hears the kind, and the other hears nothing."""
    good, deaf = calls(count, mean, seed), calls(count, 0.0, seed + 100)
    return list(zip(good, deaf, strict=True))


def doubled(side: list[Call]) -> list[Heard]:
    """Calls that both models hear alike."""
    return [(call, call) for call in side]


def test_the_weight_goes_to_the_model_that_hears_something() -> None:
    fitted = fit_weights(heard(60, -2.0, 1), heard(60, 2.0, 2), FUSED, 1.0)
    assert fitted.weights["good"] > 0.5
    assert fitted.weights["deaf"] < 0.15
    low, high = fitted.intervals["good"]
    assert low < fitted.weights["good"] < high
    assert fitted.judged.calibration is None
    assert fitted.judged.missed is not None
    fields = fusion_fields(fitted)["fusion"]
    assert set(fields["weights"]) == {"good", "deaf"}
    assert fields["threshold"] == fitted.judged.threshold.value


def test_two_that_say_the_same_of_a_call_share_the_weight_of_one() -> None:
    people, machines = calls(60, -2.0, 1), calls(60, 2.0, 2)
    once = fit_weights(heard(60, -2.0, 1), heard(60, 2.0, 2), FUSED, 1.0).weights["good"]
    shared = fit_weights(doubled(people), doubled(machines), FUSED, 1.0).weights
    assert sum(shared.values()) == pytest.approx(once, rel=0.1)


def test_what_cannot_be_weighed_is_refused() -> None:
    with pytest.raises(UserError, match="12 synthetic calls were scored: weights need at least 20"):
        fit_weights(heard(30, -2.0, 1), heard(12, 2.0, 2), FUSED, 1.0)
    people, machines = doubled(calls(30, 4.0, 1)), doubled(calls(30, -4.0, 1))
    with pytest.raises(UserError, match="none of the models tells these people"):
        fit_weights(people, machines, FUSED, 1.0)
    require_calibrated([CALIBRATED])
    with pytest.raises(UserError, match=r"raw is not calibrated.*dfd calibrate --model"):
        require_calibrated([CALIBRATED, replace(SPEC, name="raw", calibration=Calibration())])


def test_calls_without_scores_do_not_count() -> None:
    (silent,) = calls(1, 0.0, 5)
    silent = replace(silent, windows=(), raw=np.empty(0))
    people = [*heard(30, -2.0, 1), (silent, silent)]
    fitted = fit_weights(people, heard(30, 2.0, 2), FUSED, 1.0)
    assert fitted.judged.threshold.calls == 30
