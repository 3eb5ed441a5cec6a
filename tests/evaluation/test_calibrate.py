from dataclasses import replace

import numpy as np
import pytest

from dfd.errors import UserError
from dfd.evaluation.calibrate import Call, card_fields, fit
from dfd.streaming.types import Window
from tests.offline.loudness import SPEC


def calls(count: int, mean: float, seed: int, windows: int = 6) -> list[Call]:
    """Makes calls whose windows' log-odds vary between and within calls."""
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        raw = mean + generator.normal(0.0, 1.5) + generator.normal(0.0, 1.0, windows)
        cut = tuple(
            Window(
                channel=0,
                sequence=at,
                start_sample=at * 32_000,
                end_sample=at * 32_000 + 64_000,
                sample_rate_hz=16_000,
                samples=np.empty(0, np.float32),
                speech_seconds=3.0,
                gap_seconds=0.0,
                provisional=False,
                final=False,
                scoreable=True,
            )
            for at in range(windows)
        )
        made.append(Call(cut, raw, 14.0))
    return made


SPEC = replace(SPEC, utterance_score="mean")


def test_people_alone_give_thresholds_and_nothing_else() -> None:
    fitted = fit(calls(50, -3.0, 1), [], SPEC, 0.0)
    assert fitted.calibration is None
    assert fitted.missed is None
    assert fitted.threshold.alarms == 0
    fields = card_fields(fitted)
    assert fields["rolling_threshold"] == fields["cumulative_threshold"] == fitted.threshold.value
    assert "calibration" not in fields
    assert "utterance_score" not in fields


def test_both_sides_give_a_calibration_that_adds_up() -> None:
    fitted = fit(calls(60, -1.0, 1), calls(60, 5.0, 2), SPEC, 1.0)
    assert fitted.calibration is not None
    assert fitted.scale_interval is not None
    assert fitted.scale_interval[0] < fitted.calibration.scale < fitted.scale_interval[1]
    # even odds are half-way between the two kinds
    middle = -fitted.calibration.offset / fitted.calibration.scale
    assert middle == pytest.approx(2.0, abs=0.6)
    assert fitted.correlation is not None
    assert 0.4 < fitted.correlation < 0.9
    fields = card_fields(fitted)
    assert fields["utterance_score"] == "evidence"
    assert fields["calibration"] == {
        "scale": fitted.calibration.scale,
        "offset": fitted.calibration.offset,
    }
    assert fitted.missed is not None


def test_too_few_calls_are_refused_or_left_out() -> None:
    with pytest.raises(UserError, match="12 human calls were scored: a threshold needs at"):
        fit(calls(12, -3.0, 1), [], SPEC, 1.0)
    fitted = fit(calls(30, -3.0, 1), calls(10, 5.0, 2), SPEC, 1.0)
    assert fitted.calibration is None
    assert fitted.machines == 10
    assert fitted.missed is not None


def test_calls_without_scores_do_not_count() -> None:
    silent = Call((), np.empty(0), 3_600.0)
    fitted = fit([*calls(30, -3.0, 1), silent], [], SPEC, 1.0)
    assert fitted.threshold.calls == 30
    assert fitted.threshold.hours == pytest.approx(30 * 14.0 / 3_600.0)
