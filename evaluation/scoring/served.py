"""The detector as it is served, for an evaluation."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from dfd.detector.spec import LoadedModel, Scorer
from dfd.detector.traits import traits
from dfd.errors import UserError
from dfd.evaluation.audio import SAMPLE_RATE_HZ
from dfd.streaming.options import ModelTraits


@dataclass(frozen=True)
class Model:
    """How recordings are scored.

    Attributes:
        scorer: computes the LLRs of windows.
        traits: how recordings are cut, and how the scores of their windows are combined.
        threshold: P(spoof) from which a recording counts as an alert.
        batch: number of windows per call.
        facts: properties of the model that are reported with the figures.
    """

    scorer: Scorer
    traits: ModelTraits
    threshold: float
    batch: int
    facts: dict[str, object]


def as_model(detector: LoadedModel) -> Model:
    """Returns a detector with its own window, hop, minimum speech, evidence and threshold.

    Raises:
        UserError: if it does not work at 16 kHz.
    """
    spec = detector.spec
    if spec.sample_rate_hz != SAMPLE_RATE_HZ:
        raise UserError(
            f"{spec.name} works at {spec.sample_rate_hz} Hz, but only models that work at"
            f" {SAMPLE_RATE_HZ} Hz can be evaluated"
        )

    return Model(
        scorer=detector,
        traits=traits(spec),
        threshold=spec.cumulative_threshold,
        batch=spec.batch_buckets[-1],
        facts={
            "name": spec.name,
            "version": spec.version,
            "weights_sha256": spec.weights_sha256,
            "device": spec.device,
            "precision": spec.precision,
            "layout": spec.layout,
            "spoof_label": spec.spoof_label,
            "window_seconds": spec.window_samples / spec.sample_rate_hz,
            "hop_seconds": spec.hop_samples / spec.sample_rate_hz,
            "min_speech_seconds": spec.min_speech_seconds,
            "normalize": spec.normalize,
            "padding": spec.padding,
            "utterance_score": spec.utterance_score,
            **({"members": [asdict(one) for one in spec.members]} if spec.members else {}),
        },
    )
