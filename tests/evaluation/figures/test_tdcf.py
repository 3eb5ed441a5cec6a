from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfd.errors import UserError
from dfd.evaluation.figures import metrics
from dfd.evaluation.figures.tdcf import (
    AsvErrors,
    AsvScores,
    CostModel,
    asv_errors,
    min_tdcf,
    read_asv_scores,
    weights,
)
from tests.evaluation import sets

PERFECT_ASV = AsvErrors(threshold=0.0, miss=0.0, acceptance=0.0, spoof_miss=0.0)


def test_weights_by_hand() -> None:
    # a verifier without errors that accepts every spoof
    first, second = weights(PERFECT_ASV)
    assert first == pytest.approx(0.9405)
    assert second == pytest.approx(0.5)
    # misses a tenth, accepts a fifth of the others and 60 % of the spoofs
    first, second = weights(AsvErrors(0.0, 0.1, 0.2, 0.4))
    assert first == pytest.approx(0.9405 * 0.9 - 0.0095 * 10 * 0.2)
    assert second == pytest.approx(10 * 0.05 * 0.6)


def test_cost_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    scores = np.array([-3.0, -2.0, -1.0, 2.0, 1.0, 3.0])
    # at 1.0 one in four people is rejected and no spoof accepted: 0.9405 / 4 over 0.5;
    # at 3.0 nobody is rejected and half of the spoofs are accepted: 0.5 / 2 over 0.5
    assert min_tdcf(scores, labels, PERFECT_ASV) == pytest.approx(0.9405 / 4 / 0.5)


def test_trivial_and_perfect_detectors() -> None:
    labels = np.array([0, 1, 0, 1])
    assert min_tdcf(np.zeros(4), labels, PERFECT_ASV) == pytest.approx(1.0)
    assert min_tdcf(labels * 1.0, labels, PERFECT_ASV) == pytest.approx(0.0)


def test_asv_errors_by_hand() -> None:
    # sorted: n-3 n-2.2 n-1 | t0.4 n0.9 t2.1 t3.2 t4: after four rejections (0.4 the last) both
    # rates are one in four, and 0.4 itself counts as accepted
    asv = AsvScores(
        target=np.array([2.1, 3.2, 4.0, 0.4]),
        nontarget=np.array([-3.0, -2.2, 0.9, -1.0]),
        spoof=np.array([1.4, -2.0, 2.9, 0.1]),
        attacks=np.array(["A11", "A11", "A14", "A14"]),
    )
    assert asv_errors(asv) == AsvErrors(0.4, 0.0, 0.25, 0.5)
    assert asv_errors(asv, "A11").spoof_miss == 0.5
    assert np.isnan(asv_errors(asv, "A99").spoof_miss)


def brute_force(
    spoof_llrs: list[float], labels: list[int], asv: AsvScores, model: CostModel
) -> float:
    """Computes it by the definition: tries every threshold and counts every trial."""
    trials = sorted(
        [(score, 1) for score in asv.target] + [(score, 0) for score in asv.nontarget],
        key=lambda pair: pair[0],
    )
    best, threshold = Fraction(2), 0.0
    for count in range(len(trials) + 1):
        rejected, accepted = trials[:count], trials[count:]
        miss = Fraction(sum(kind for _, kind in rejected), len(asv.target))
        alarm = Fraction(sum(1 - kind for _, kind in accepted), len(asv.nontarget))
        if abs(miss - alarm) < best:
            best = abs(miss - alarm)
            threshold = rejected[-1][0] if rejected else trials[0][0] - 0.001
    p_miss = sum(score < threshold for score in asv.target) / len(asv.target)
    p_accept = sum(score >= threshold for score in asv.nontarget) / len(asv.nontarget)
    p_spoof_in = sum(score >= threshold for score in asv.spoof) / len(asv.spoof)

    costs, trivial = [], []
    humans, spoofs = labels.count(0), labels.count(1)
    # here a higher countermeasure score means bona fide, as is usual
    cm = [-llr for llr in spoof_llrs]
    for cut in [*sorted(set(cm)), max(cm) + 1]:
        rejected_share = sum(s < cut for s, y in zip(cm, labels, strict=True) if y == 0) / humans
        accepted_share = sum(s >= cut for s, y in zip(cm, labels, strict=True) if y == 1) / spoofs
        # both systems accept a target, or not
        missed = p_miss + rejected_share * (1 - p_miss)
        cost = model.target_prior * (missed - p_miss)
        cost -= model.nontarget_prior * model.asv_acceptance_cost * p_accept * rejected_share
        cost += model.spoof_prior * model.cm_acceptance_cost * p_spoof_in * accepted_share
        costs.append(cost)
        if (rejected_share, accepted_share) in ((0.0, 1.0), (1.0, 0.0)):
            trivial.append(cost)
    trivial.append(model.target_prior * (1 - p_miss) - model.nontarget_prior * 10 * p_accept)
    trivial.append(model.spoof_prior * model.cm_acceptance_cost * p_spoof_in)
    return float(min(costs) / min(trivial))


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_agrees_with_counting(seed: int) -> None:
    generator = np.random.default_rng(seed)
    asv = AsvScores(
        target=generator.normal(3, 1, 30).round(1),
        nontarget=generator.normal(0, 1, 40).round(1),
        spoof=generator.normal(2, 1.5, 20).round(1),
        attacks=np.array(["A07"] * 20),
    )
    labels = np.array([0] * 25 + [1] * 35)
    llrs = (generator.normal(size=60) + 1.5 * labels).round(1)
    expected = brute_force(llrs.tolist(), labels.tolist(), asv, CostModel())
    assert min_tdcf(llrs, labels, asv_errors(asv)) == pytest.approx(expected)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_min_dcf_agrees_with_counting(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = np.array([0] * 20 + [1] * 30)
    scores = (generator.normal(size=50) + labels).round(1)
    costs = [
        (1.0 * 0.95 * (scores[:20] >= cut).mean() + 10.0 * 0.05 * (scores[20:] < cut).mean()) / 0.5
        for cut in [*scores, np.inf]
    ]
    assert metrics.min_dcf(scores, labels) == pytest.approx(min(costs))


def test_reads_the_published_format(tmp_path: Path) -> None:
    asv = read_asv_scores(sets.asv_scores(tmp_path))
    assert (asv.target.size, asv.nontarget.size, asv.spoof.size) == (4, 4, 4)
    assert asv.attacks.tolist() == ["A11", "A11", "A14", "A14"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A07 spoof\n", "2 columns"),
        ("A07 fake 1.0\n", "'fake' is not one of target, nontarget, spoof"),
        ("A07 spoof high\n", "'high' is not a number"),
        ("A07 spoof nan\n", "'nan' is not a number"),
        ("bonafide target 1.0\nbonafide nontarget 0.0\n", "no spoof trial"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "asv.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_asv_scores(path)


def test_a_verifier_that_rejects_every_spoof_has_no_cost() -> None:
    with pytest.raises(UserError, match="no tandem cost"):
        weights(AsvErrors(0.0, 0.0, 0.0, 1.0))
