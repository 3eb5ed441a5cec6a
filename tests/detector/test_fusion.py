import math

import numpy as np
import pytest
from numpy.typing import NDArray

from dfd.detector.fusion import Cascade, FusedDetector, Fusion, load_fusion, terms
from dfd.detector.spec import Calibration, FusionSpec, MemberSpec, ModelSpec
from dfd.errors import UserError
from tests.daemon.harness import make_spec

CALIBRATED = Calibration(0.5, -1.0)


class Fixed:
    """Gives all windows the same score, and records them."""

    def __init__(self, llr: float, **facts: object) -> None:
        self.spec = make_spec(**facts)
        self.llr = llr
        self.heard: list[tuple[int, ...]] = []

    def score(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        self.heard.append(windows.shape)
        return np.full(len(lengths), self.llr, np.float32)


def spec(name: str, **facts: object) -> ModelSpec:
    return make_spec(name=name, calibration=CALIBRATED, **facts)


def fitted(threshold: float | None = None, **weights: float) -> FusionSpec:
    return FusionSpec(tuple(MemberSpec(*one) for one in weights.items()), threshold)


def test_llrs_are_added_by_the_weights_in_a_card() -> None:
    fusion = Fusion([spec("a"), spec("b", fusion=fitted(b=2.0, a=0.25))])
    assert fusion.weights == (0.25, 2.0)
    assert fusion.llr([4.0, -1.0]) == pytest.approx(-1.0)
    assert [(one.name, one.weight) for one in fusion.spec.members] == [("a", 0.25), ("b", 2.0)]
    assert "by the weights of their cards" in fusion.spec.card_text


def test_weights_for_other_models_are_ignored_and_reported() -> None:
    for_others = fitted(a=0.25, b=1.0, c=1.0)
    fusion = Fusion([spec("a", fusion=for_others), spec("b", fusion=fitted(b=1.0, c=2.0))])
    assert fusion.llr([4.0, -1.0]) == pytest.approx(1.5)
    assert "by equal weights" in fusion.spec.card_text


def test_a_member_without_a_score_has_no_weight() -> None:
    fusion = Fusion([spec("a", fusion=fitted(a=1.0, b=3.0)), spec("b")])
    assert fusion.llr([2.0, None]) == pytest.approx(8.0)
    assert fusion.llr([math.nan, 2.0]) == pytest.approx(8.0)
    assert fusion.llr([None, math.inf]) is None


def test_members_at_their_thresholds_are_the_fusion_at_its_own() -> None:
    fusion = Fusion(
        [
            spec("a", cumulative_threshold=0.5, rolling_threshold=0.9),
            spec("b", cumulative_threshold=0.8, rolling_threshold=1.0),
        ]
    )
    odds = fusion.spec.cumulative_threshold / (1.0 - fusion.spec.cumulative_threshold)
    assert math.log(odds) == pytest.approx(fusion.llr([0.0, math.log(4.0)]))
    assert 0.9 < fusion.spec.rolling_threshold < 1.0


def test_a_threshold_that_was_fitted_on_the_sum_comes_before_the_members() -> None:
    fused = Fusion([spec("a", fusion=fitted(0.97, a=1.0, b=3.0)), spec("b")]).spec
    assert fused.rolling_threshold == fused.cumulative_threshold == 0.97


def test_all_members_get_the_shortest_window() -> None:
    long = spec("long", window_samples=64_600, hop_samples=32_300, batch_buckets=(1, 2))
    short = spec("short", window_samples=64_000, hop_samples=16_000, min_speech_seconds=0.0)
    fused = Fusion([long, short]).spec
    assert (fused.name, fused.version) == ("long+short", "1+1")
    assert (fused.window_samples, fused.hop_samples) == (64_000, 16_000)
    assert fused.min_speech_seconds == 0.5
    assert fused.batch_buckets == (1, 2)
    assert fused.weights_sha256 != long.weights_sha256


def test_evidence_is_added_up_only_if_all_members_are_calibrated() -> None:
    assert Fusion([spec("a"), spec("b")]).spec.utterance_score == "evidence"
    first = make_spec(name="b", utterance_score="first")
    fused = Fusion([spec("a"), first]).spec
    assert fused.utterance_score == "mean"
    assert "Not calibrated: b" in fused.card_text


def test_scores_that_are_not_calibrated_are_added_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calibrated, raw = Fixed(2.0, name="a"), Fixed(1.0, name="b")
    calibrated.spec = spec("a")
    load_fusion("a+b", {"a": calibrated, "b": raw}.__getitem__)
    assert "a+b adds scores that are not calibrated, those of b: run dfd calibrate" in caplog.text


def test_models_of_other_rates_are_refused() -> None:
    with pytest.raises(UserError, match="a at 16000 Hz, b at 8000 Hz"):
        Fusion([spec("a"), spec("b", sample_rate_hz=8_000)])


@pytest.mark.parametrize("text", ["a", "a+", "+", "a+a", ""])
def test_a_combination_needs_two_different_models(text: str) -> None:
    with pytest.raises(UserError, match=r"write them as a\+b"):
        terms(text)


def test_a_cascade_runs_the_expensive_model_from_a_probability_on() -> None:
    expensive = spec("b", rolling_threshold=0.7, cumulative_threshold=0.6)
    cascade = Cascade(spec("a"), expensive, 0.2)
    at = math.log(0.2 / 0.8)
    assert [cascade.escalates(llr) for llr in (at - 0.01, at + 0.01, 9.0)] == [False, True, True]
    assert cascade.escalates(None)
    assert cascade.escalates(math.nan)
    assert cascade.spec.name == "a-then-b"
    assert (cascade.spec.rolling_threshold, cascade.spec.cumulative_threshold) == (0.7, 0.6)


def test_recordings_are_scored_by_all_members() -> None:
    members = {
        "a": Fixed(2.0, name="a", window_samples=100, hop_samples=50),
        "b": Fixed(-1.0, name="b", window_samples=80, hop_samples=40),
        "c": Fixed(math.nan, name="c", window_samples=80, hop_samples=40),
    }
    fused = load_fusion("a+b", members.__getitem__)
    assert isinstance(fused, FusedDetector)
    windows, lengths = np.zeros((3, 80), np.float32), np.array([80, 80, 7])
    assert fused.score(windows, lengths).tolist() == [0.5] * 3
    assert members["a"].heard == [(3, 100)]
    assert members["b"].heard == [(3, 80)]
    assert load_fusion("a+c", members.__getitem__).score(windows, lengths).tolist() == [2.0] * 3
