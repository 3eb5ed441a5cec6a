import dataclasses
import math
from typing import Any

import pytest

from dfd.streaming.judgement.verdict import TrackFacts, decide
from dfd.streaming.types import Reason, Score, Verdict


def facts(probability: float = 0.1, speech_seconds: float = 10.0, **changes: Any) -> TrackFacts:
    clean = TrackFacts(
        cumulative=Score(math.log(probability / (1 - probability)), speech_seconds),
        alerted=False,
        spoof_threshold=0.8,
        gap_fraction=0.0,
        shed_fraction=0.0,
        clipped_fraction=0.0,
        bandwidth_hz=8_000.0,
        trained_bandwidth_hz=3_400.0,
    )
    return dataclasses.replace(clean, **changes)


@pytest.mark.parametrize(
    ("probability", "verdict", "reasons"),
    [
        (0.05, Verdict.BONAFIDE, ()),
        (0.34, Verdict.BONAFIDE, ()),
        (0.36, Verdict.INCONCLUSIVE, (Reason.EVIDENCE_WEAK,)),
        (0.79, Verdict.INCONCLUSIVE, (Reason.EVIDENCE_WEAK,)),
        (0.81, Verdict.SPOOF, ()),
    ],
)
def test_the_score_decides(
    probability: float, verdict: Verdict, reasons: tuple[Reason, ...]
) -> None:
    assert decide(facts(probability)) == (verdict, reasons)


def test_no_score_is_too_little_speech() -> None:
    assert decide(facts(cumulative=None)) == (
        Verdict.INCONCLUSIVE,
        (Reason.TOO_LITTLE_SPEECH,),
    )


def test_an_alert_not_confirmed_by_the_whole_is_mixed() -> None:
    assert decide(facts(0.1, alerted=True)) == (Verdict.INCONCLUSIVE, (Reason.MIXED_EVIDENCE,))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"speech_seconds": 0.99}, Reason.TOO_LITTLE_SPEECH),
        ({"shed_fraction": 0.51}, Reason.WINDOWS_SHED),
        ({"gap_fraction": 0.31}, Reason.GAPS),
        ({"clipped_fraction": 0.021}, Reason.CLIPPED),
        ({"bandwidth_hz": 2_590.0}, Reason.BAND_LIMITED),
    ],
)
@pytest.mark.parametrize("probability", [0.05, 0.95])
def test_a_poor_signal_is_inconclusive(
    changes: dict[str, float], reason: Reason, probability: float
) -> None:
    assert decide(facts(probability, **changes)) == (Verdict.INCONCLUSIVE, (reason,))


def test_every_reason_is_given() -> None:
    poor = facts(0.9, 0.5, gap_fraction=0.5, clipped_fraction=0.5)
    assert decide(poor) == (
        Verdict.INCONCLUSIVE,
        (Reason.GAPS, Reason.CLIPPED, Reason.TOO_LITTLE_SPEECH),
    )


def test_telephone_band_causes_no_complaint() -> None:
    assert decide(facts(0.9, bandwidth_hz=3_000.0)) == (Verdict.SPOOF, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"speech_seconds": 1.01},
        {"shed_fraction": 0.49},
        {"gap_fraction": 0.29},
        {"clipped_fraction": 0.019},
        {"bandwidth_hz": 2_610.0},
    ],
)
def test_a_signal_that_is_good_enough_has_a_verdict(changes: dict[str, float]) -> None:
    assert decide(facts(0.95, **changes)) == (Verdict.SPOOF, ())
