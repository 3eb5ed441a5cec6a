"""Converts a loaded model's properties to the options of the streaming core."""

from dfd.detector.spec import ModelSpec
from dfd.streaming.options import AlertPolicy, ModelTraits, UtteranceScore


def default_policy(spec: ModelSpec) -> AlertPolicy:
    """Returns the policy of a stream that sets none: the thresholds of the model's card."""
    return AlertPolicy(
        rolling_threshold=spec.rolling_threshold, cumulative_threshold=spec.cumulative_threshold
    )


def traits(spec: ModelSpec) -> ModelTraits:
    """Returns what the core needs to know about a model."""
    return ModelTraits(
        sample_rate_hz=spec.sample_rate_hz,
        window_samples=spec.window_samples,
        hop_samples=spec.hop_samples,
        min_speech_seconds=spec.min_speech_seconds,
        evidence_correlation=spec.evidence_correlation,
        trained_bandwidth_hz=spec.trained_bandwidth_hz,
        utterance_score=UtteranceScore(spec.utterance_score),
    )
