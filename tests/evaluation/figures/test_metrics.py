import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.evaluation.figures import metrics

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1], 500)
SCORES = RNG.normal(size=1000) + 2.0 * LABELS


def test_known_values() -> None:
    # Two normal densities two deviations apart: EER = Phi(-1), AUC = Phi(sqrt 2).
    assert metrics.eer(SCORES, LABELS) == pytest.approx(0.1587, abs=0.02)
    assert metrics.auc(SCORES, LABELS) == pytest.approx(0.9214, abs=0.02)
    # Their true LLR is 2 (x - 1): calibrated, so Cllr is close to its minimum.
    llrs = 2 * (SCORES - 1)
    assert metrics.min_cllr(llrs, LABELS) <= metrics.cllr(llrs, LABELS)
    assert metrics.cllr(llrs, LABELS) == pytest.approx(metrics.min_cllr(llrs, LABELS), abs=0.04)
    assert metrics.cllr(np.zeros(1000), LABELS) == pytest.approx(1.0)


@pytest.mark.parametrize(("scores", "expected"), [([0, 0, 1, 1], 0.0), ([1, 1, 0, 0], 1.0)])
def test_perfect_and_inverted(scores: list[float], expected: float) -> None:
    labels = np.array([0, 0, 1, 1])
    assert metrics.eer(np.array(scores, float), labels) == pytest.approx(expected)
    assert metrics.auc(np.array(scores, float), labels) == pytest.approx(1 - expected)


def test_ties_carry_no_information() -> None:
    labels = np.array([0, 1, 0, 1])
    assert metrics.eer(np.zeros(4), labels) == pytest.approx(0.5)
    assert metrics.auc(np.zeros(4), labels) == pytest.approx(0.5)
    assert metrics.min_cllr(np.zeros(4), labels) == pytest.approx(1.0)
    assert metrics.min_dcf(np.zeros(4), labels) == pytest.approx(1.0)


def test_missed_where_few_people_are_alarmed() -> None:
    human, spoof = np.arange(100.0), np.array([97.5, 98.5, 99.5])
    scores, labels = np.concatenate([human, spoof]), np.repeat([0, 1], [100, 3])
    found = [metrics.miss_rate_at(limit, scores, labels) for limit in (0.0, 0.01, 0.02)]
    assert found == pytest.approx([2 / 3, 1 / 3, 0.0])


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="both"):
        metrics.eer(np.zeros(3), np.zeros(3, dtype=int))


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 1)), min_size=2, max_size=40))
def test_eer_ignores_monotone_maps(pairs: list[tuple[int, int]]) -> None:
    scores = np.array([score for score, _ in pairs], float)
    labels = np.array([label for _, label in pairs])
    if len(set(labels.tolist())) < 2:
        return
    value = metrics.eer(scores, labels)
    assert 0 <= value <= 1
    assert metrics.eer(np.exp(scores) * 3, labels) == pytest.approx(value)
    assert metrics.eer(-scores, 1 - labels) == pytest.approx(value)
    assert 0 <= metrics.min_dcf(scores, labels) <= 1


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 1)), min_size=2, max_size=40))
def test_the_hull_lies_below_the_curve(pairs: list[tuple[int, int]]) -> None:
    scores = np.array([score for score, _ in pairs], float)
    labels = np.array([label for _, label in pairs])
    if len(set(labels.tolist())) < 2:
        return
    hull = metrics.eer_convex_hull(scores, labels)
    assert 0 <= hull <= metrics.eer(scores, labels) + 1e-12
    assert hull <= 0.5 + 1e-12


def test_the_hull_by_hand() -> None:
    # operating points (false alarm, miss): (1, 0), (1, .5), (.5, .5), (0, .5), (0, 1); the hull
    # is (1, 0)-(0, .5)-(0, 1), and 1 - 2 x = x at a third
    scores, labels = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0, 0, 1])
    assert metrics.eer(scores, labels) == pytest.approx(0.5)
    assert metrics.eer_convex_hull(scores, labels) == pytest.approx(1 / 3)


def test_the_interval_matches_plain_resampling() -> None:
    generator = np.random.default_rng(3)
    labels = np.repeat([0, 1], 60)
    scores = (generator.normal(size=120) + labels).round(1)
    human, spoof = scores[:60], scores[60:]
    values = [
        metrics.eer(
            np.concatenate((generator.choice(human, 60), generator.choice(spoof, 60))), labels
        )
        for _ in range(500)
    ]
    low, high = metrics.eer_interval(scores, labels, repeats=500)
    assert [low, high] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.02)


def test_costs_of_the_detection_cost_function() -> None:
    labels = np.array([0, 0, 0, 0, 1])
    # alerting at 2 rejects one in four people, which costs 0.95 / 4; never alerting costs 0.5
    assert metrics.min_dcf(np.array([0, 0, 0, 2, 2.0]), labels) == pytest.approx(0.95 / 4 / 0.5)


def test_calibration_error() -> None:
    probabilities = np.full(1000, 0.5)
    assert metrics.expected_calibration_error(probabilities, LABELS, bins=1) == pytest.approx(0)
    assert metrics.expected_calibration_error(LABELS * 1.0, LABELS) == pytest.approx(0)
    assert metrics.expected_calibration_error(1.0 - LABELS, LABELS) == pytest.approx(1)


def test_the_interval_contains_the_estimate() -> None:
    low, high = metrics.eer_interval(SCORES, LABELS, repeats=50)
    assert low < metrics.eer(SCORES, LABELS) < high
    assert high - low < 0.08
