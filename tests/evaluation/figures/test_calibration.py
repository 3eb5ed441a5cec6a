import numpy as np
import pytest

from dfd.evaluation.figures.calibration import (
    fit_calibration,
    intra_stream_correlation,
    probability,
    threshold_for_false_alarms,
)

RNG = np.random.default_rng(1)


def test_recovers_the_true_llr() -> None:
    labels = np.repeat([0, 1, 1, 1], 4000)
    raw = RNG.normal(size=labels.size) + 2.0 * labels
    found = fit_calibration(raw, labels)
    assert found.scale == pytest.approx(2.0, abs=0.15)
    assert found.offset == pytest.approx(-2.0, abs=0.15)


def test_separable_scores_stay_finite() -> None:
    found = fit_calibration(np.array([-1.0, -2.0, 1.0, 2.0]), np.array([0, 0, 1, 1]))
    assert np.isfinite(found.scale)
    assert found.scale > 1


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="both"):
        fit_calibration(np.zeros(3), np.zeros(3, dtype=int))


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.8])
def test_finds_the_correlation(correlation: float) -> None:
    streams = [
        np.sqrt(correlation) * RNG.normal() + np.sqrt(1 - correlation) * RNG.normal(size=8)
        for _ in range(2000)
    ]
    assert intra_stream_correlation(streams) == pytest.approx(correlation, abs=0.05)


def test_single_windows_carry_no_information() -> None:
    with pytest.raises(ValueError, match="two"):
        intra_stream_correlation([np.zeros(1)] * 5)


def test_threshold_keeps_the_rate() -> None:
    llrs = RNG.normal(size=1000)
    cut = threshold_for_false_alarms(llrs, 0.01)
    assert (probability(llrs) >= cut).mean() <= 0.01
    assert threshold_for_false_alarms(np.full(10, 50.0)) == 0.999
