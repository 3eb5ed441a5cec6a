"""The verdict on a whole track, or why there is none."""

from dataclasses import dataclass

from dfd.streaming.types import Reason, Score, Verdict

# Bona fide needs as clear a score as the weakest step of confidence, 65 %, on its side.
BONAFIDE_PROBABILITY = 0.35
MIN_VERDICT_SPEECH_SECONDS = 1.0
MAX_CLIPPED_FRACTION = 0.02
MAX_GAP_FRACTION = 0.3
MAX_SHED_FRACTION = 0.5
# The band is measured in steps of a quarter of a kilohertz and telephone filters roll
# off early: only what is clearly narrower than training is called so.
BANDWIDTH_MARGIN_HZ = 800.0


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """What a verdict is made of; fractions in [0, 1]."""

    cumulative: Score | None
    alerted: bool
    spoof_threshold: float
    gap_fraction: float
    shed_fraction: float
    clipped_fraction: float
    bandwidth_hz: float
    trained_bandwidth_hz: float


def decide(facts: TrackFacts) -> tuple[Verdict, tuple[Reason, ...]]:
    """Decides between bona fide, spoof and inconclusive.

    Returns:
        The verdict, and for an inconclusive one all the reasons.
    """
    reasons = []
    if facts.shed_fraction > MAX_SHED_FRACTION:
        reasons.append(Reason.WINDOWS_SHED)
    if facts.gap_fraction > MAX_GAP_FRACTION:
        reasons.append(Reason.GAPS)
    if facts.clipped_fraction > MAX_CLIPPED_FRACTION:
        reasons.append(Reason.CLIPPED)
    if facts.bandwidth_hz < facts.trained_bandwidth_hz - BANDWIDTH_MARGIN_HZ:
        reasons.append(Reason.BAND_LIMITED)
    score = facts.cumulative
    if score is None or score.speech_seconds < MIN_VERDICT_SPEECH_SECONDS:
        reasons.append(Reason.TOO_LITTLE_SPEECH)
    if reasons or score is None:
        return Verdict.INCONCLUSIVE, tuple(reasons)
    probability = score.spoof_probability
    if probability >= facts.spoof_threshold:
        return Verdict.SPOOF, ()
    if facts.alerted:
        return Verdict.INCONCLUSIVE, (Reason.MIXED_EVIDENCE,)
    if probability <= BONAFIDE_PROBABILITY:
        return Verdict.BONAFIDE, ()
    return Verdict.INCONCLUSIVE, (Reason.EVIDENCE_WEAK,)
