import math
from dataclasses import replace

import numpy as np
import pytest

from dfd.detector.spec import Calibration
from dfd.offline.scores import NO_WINDOWS, Span, WindowScores, joined
from dfd.streaming.options import ModelTraits, UtteranceScore

MODEL = ModelTraits(evidence_correlation=1.0)


def scores(*llrs: float) -> WindowScores:
    """Makes scores of windows full of speech, on the grid."""
    spans = [Span(32_000 * at, 32_000 * at + 64_000, 4.0) for at in range(len(llrs))]
    return WindowScores(spans, np.array(llrs))


def test_the_score_is_the_cumulative_one() -> None:
    # full correlation: the mean, weighted by the new speech of each window
    assert scores(1.0, 4.0).score(MODEL) == pytest.approx((4 * 1.0 + 2 * 4.0) / 6)
    # no correlation: the sum over 6 s, which are one and a half windows
    free = replace(MODEL, evidence_correlation=0.0)
    assert scores(1.0, 4.0).score(free) == pytest.approx(1.5 * 2.0)


def test_the_peak_is_of_five_windows() -> None:
    rising = scores(-9.0, -9.0, 1.0, 2.0, 3.0, 4.0, 5.0, -9.0)
    assert rising.peak(MODEL) == pytest.approx((4 * 1 + 2 * (2 + 3 + 4 + 5)) / 12)
    assert scores(-9.0).peak(MODEL) == -9.0


def test_a_mean_of_probabilities() -> None:
    mean = replace(MODEL, utterance_score=UtteranceScore.MEAN)
    assert scores(0.0, math.log(3)).score(mean) == pytest.approx(math.log(0.625 / 0.375))


def test_scores_of_windows_that_ended_by_then() -> None:
    heard = scores(1.0, 2.0, 3.0)
    assert heard.until(64_000).llrs.tolist() == [1.0]
    assert heard.until(96_001).llrs.tolist() == [1.0, 2.0]
    assert math.isnan(heard.until(63_999).score(MODEL))


@pytest.mark.parametrize("broken", [scores(1.0, math.nan), NO_WINDOWS])
def test_no_score_without_a_score_of_each_window(broken: WindowScores) -> None:
    assert not broken.finite
    assert math.isnan(broken.score(MODEL))
    assert math.isnan(broken.peak(MODEL))


def test_calibration() -> None:
    assert scores(1.0, 2.0).calibrated(Calibration(2.0, -1.0)).llrs.tolist() == [1.0, 3.0]


def test_recordings_in_a_row_cover_one_time_line() -> None:
    row = joined([scores(1.0, 2.0), NO_WINDOWS, scores(4.0)])
    assert row.llrs.tolist() == [1.0, 2.0, 4.0]
    assert [span.start_sample for span in row.spans] == [0, 32_000, 96_000]
    assert row.score(MODEL) == pytest.approx((4 * 1 + 2 * 2 + 4 * 4) / 10)
