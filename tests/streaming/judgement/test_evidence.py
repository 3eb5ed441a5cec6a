import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.streaming.judgement.evidence import Evidence
from dfd.streaming.options import ModelTraits, UtteranceScore
from dfd.streaming.types import Score
from tests.streaming.helpers import window

llrs = st.floats(-20, 20)


def evidence(
    correlation: float = 0.5,
    rolling_windows: int = 5,
    utterance_score: UtteranceScore = UtteranceScore.EVIDENCE,
) -> Evidence:
    traits = ModelTraits(evidence_correlation=correlation, utterance_score=utterance_score)
    return Evidence(4.0, traits, rolling_windows)


def add(subject: Evidence, *scores: float, hop: float = 2.0) -> None:
    for index, llr in enumerate(scores):
        subject.add(window(index * hop, index * hop + 4.0, sequence=index), llr)


def cumulative(subject: Evidence) -> Score:
    assert subject.cumulative is not None
    return subject.cumulative


def test_there_is_no_score_without_a_window() -> None:
    subject = evidence()
    assert subject.rolling is subject.cumulative is subject.peak_rolling is None
    assert subject.mean_spoof_probability is None


@given(llrs)
def test_one_window_is_its_own_evidence(llr: float) -> None:
    subject = evidence()
    assert subject.add(window(), llr) == Score(llr, 4.0)
    assert cumulative(subject).spoof_llr == pytest.approx(llr)
    assert cumulative(subject) == subject.rolling


def test_windows_apart_add_up_where_they_are_independent() -> None:
    subject = evidence(correlation=0.0)
    add(subject, 1.0, 2.0, hop=4.0)
    assert cumulative(subject).spoof_llr == pytest.approx(3.0)
    assert cumulative(subject).speech_seconds == pytest.approx(8.0)


def test_overlapping_windows_are_not_counted_twice() -> None:
    subject = evidence(correlation=0.0)
    add(subject, 1.0, 1.0, 1.0)
    assert cumulative(subject).speech_seconds == pytest.approx(8.0)
    assert cumulative(subject).spoof_llr == pytest.approx(2.0)


@given(st.lists(llrs, min_size=1, max_size=12))
def test_full_correlation_is_a_weighted_mean(scores: list[float]) -> None:
    subject = evidence(correlation=1.0)
    add(subject, *scores)
    weights = [4.0] + [2.0] * (len(scores) - 1)
    mean = sum(w * s for w, s in zip(weights, scores, strict=True)) / sum(weights)
    assert cumulative(subject).spoof_llr == pytest.approx(mean, abs=1e-9)


@given(st.floats(0.1, 5.0), st.integers(1, 40), st.floats(0.05, 1.0))
def test_evidence_grows_with_time_to_a_bound(llr: float, count: int, correlation: float) -> None:
    subject = evidence(correlation)
    previous = 0.0
    for index in range(count):
        subject.add(window(index * 2.0, index * 2.0 + 4.0), llr)
        assert cumulative(subject).spoof_llr >= previous - 1e-9
        previous = cumulative(subject).spoof_llr
    assert previous <= llr / correlation + 1e-9


def test_a_window_weighs_by_its_speech() -> None:
    subject = evidence(correlation=1.0)
    subject.add(window(0, 4, speech_seconds=4.0), 1.0)
    subject.add(window(4, 8, speech_seconds=1.0), -4.0)
    assert cumulative(subject).spoof_llr == pytest.approx((4.0 - 4.0) / 5.0)


def test_a_window_whose_predecessor_was_not_scored_counts_whole() -> None:
    subject = evidence(correlation=0.0)
    subject.add(window(0, 4), 1.0)
    subject.add(window(4, 8), 1.0)
    assert cumulative(subject).spoof_llr == pytest.approx(2.0)


def test_windows_without_speech_count_a_little() -> None:
    subject = evidence()
    subject.add(window(speech_seconds=0.0), 3.0)
    assert cumulative(subject).spoof_llr == pytest.approx(3.0)


def test_rolling_forgets() -> None:
    subject = evidence(rolling_windows=3)
    add(subject, 9.0, -1.0, -1.0, -1.0, hop=4.0)
    assert subject.rolling is not None
    assert subject.rolling.spoof_llr == pytest.approx(-1.0 * 3 / 2)
    assert subject.rolling.speech_seconds == pytest.approx(12.0)


def test_peak_rolling_is_the_highest() -> None:
    subject = evidence(rolling_windows=1)
    add(subject, -1.0, 4.0, 2.0)
    assert subject.peak_rolling is not None
    assert subject.peak_rolling.spoof_llr == pytest.approx(4.0)


def test_provisional_evidence_is_replaced() -> None:
    subject = evidence()
    subject.add(window(0, 1, provisional=True), 5.0)
    assert cumulative(subject).spoof_llr == 5.0
    subject.add(window(0, 2, provisional=True), 4.0)
    assert cumulative(subject) == subject.rolling == Score(4.0, 2.0)
    subject.add(window(0, 4), -1.0)
    assert cumulative(subject) == Score(-1.0, 4.0)
    assert subject.mean_spoof_probability == pytest.approx(Score(-1.0, 4.0).spoof_probability)


def test_a_late_provisional_window_changes_nothing() -> None:
    subject = evidence()
    subject.add(window(0, 4), -1.0)
    subject.add(window(0, 2, provisional=True), 8.0)
    assert cumulative(subject) == Score(-1.0, 4.0)


def test_mean_probability_is_the_plain_mean() -> None:
    subject = evidence()
    add(subject, 2.0, -2.0, 0.0)
    assert subject.mean_spoof_probability == pytest.approx(0.5)


def test_mean_probability_of_provisional_windows_alone() -> None:
    subject = evidence()
    subject.add(window(0, 1, provisional=True), 2.0)
    subject.add(window(0, 2, provisional=True), -2.0)
    assert subject.mean_spoof_probability == pytest.approx(0.5)


def probability(llr: float) -> float:
    return Score(llr, 0.0).spoof_probability


def test_the_mean_is_of_probabilities_whatever_the_speech_and_the_overlap() -> None:
    subject = evidence(rolling_windows=2, utterance_score=UtteranceScore.MEAN)
    llrs = [3.0, -1.0, 8.0]
    for index, (llr, speech) in enumerate(zip(llrs, (4.0, 0.0, 1.0), strict=True)):
        start = 2.0 * index
        subject.add(window(start, start + 4.0, speech_seconds=speech, sequence=index), llr)
    probabilities = [probability(llr) for llr in llrs]
    assert cumulative(subject).spoof_probability == pytest.approx(sum(probabilities) / 3)
    assert subject.mean_spoof_probability == pytest.approx(sum(probabilities) / 3)
    assert subject.rolling is not None
    assert subject.rolling.spoof_probability == pytest.approx(sum(probabilities[1:]) / 2)


@pytest.mark.parametrize("llr", [-200.0, 200.0])
def test_a_mean_of_certain_windows_has_a_finite_llr(llr: float) -> None:
    subject = evidence(utterance_score=UtteranceScore.MEAN)
    add(subject, llr, llr)
    assert abs(cumulative(subject).spoof_llr) < 40.0
    assert cumulative(subject).spoof_probability == pytest.approx(probability(llr), abs=1e-12)


def test_the_first_window_stays() -> None:
    subject = evidence(utterance_score=UtteranceScore.FIRST)
    add(subject, 1.5, -4.0, -4.0)
    assert cumulative(subject).spoof_llr == 1.5
    assert subject.rolling is not None
    mean = (probability(1.5) + 2 * probability(-4.0)) / 3
    assert subject.rolling.spoof_probability == pytest.approx(mean)


def test_the_first_whole_window_replaces_the_provisional_ones() -> None:
    subject = evidence(utterance_score=UtteranceScore.FIRST)
    subject.add(window(0.0, 1.0, provisional=True), 9.0)
    assert cumulative(subject).spoof_llr == 9.0
    add(subject, -2.0, 5.0)
    assert cumulative(subject).spoof_llr == -2.0


def test_a_window_without_speech_counts_a_thousandth_of_a_second() -> None:
    subject = evidence(correlation=1.0)
    subject.add(window(0.0, 4.0, speech_seconds=0.0), 3.0)
    assert cumulative(subject).speech_seconds == pytest.approx(0.001)
    subject.add(window(4.0, 8.0, sequence=1, speech_seconds=1.0), 0.0)
    assert cumulative(subject).spoof_llr == pytest.approx(3.0 * 0.001 / 1.001)


def test_certain_windows_have_a_finite_mean() -> None:
    subject = evidence(utterance_score=UtteranceScore.MEAN)
    add(subject, 60.0, 60.0)
    assert 30.0 < cumulative(subject).spoof_llr < 40.0
