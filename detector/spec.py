"""What a served model is, for rooms that must not know torch."""

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

_Float = TypeVar("_Float", np.float32, np.float64)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Affine map from raw spoof log-odds to an LLR: `scale * log_odds + offset`."""

    scale: float = 1.0
    offset: float = 0.0

    def apply(self, log_odds: NDArray[_Float]) -> NDArray[_Float]:
        """Raw log-odds to LLRs, in the same shape and type."""
        return (self.scale * log_odds + self.offset).astype(log_odds.dtype)


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """How often a model is wrong on recordings that it was not trained on.

    Attributes:
        threshold: cumulative P(spoof) from which the verdict is spoof.
        false_alarm_rate: share of people who are called a machine.
        miss_rate: share of machines that are not called one.
        heard_seconds: length of the recordings.
    """

    threshold: float
    false_alarm_rate: float
    miss_rate: float
    heard_seconds: float


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """A model that others are put together with.

    Attributes:
        weight: of its LLR in a fusion; 0 in a cascade, where nothing is added.
    """

    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The facts of a loaded model.

    Attributes:
        window_samples, hop_samples: at `sample_rate_hz`.
        device: "cpu", "cuda:0".
        precision: "fp32", "bf16", "fp16", as chosen.
        engine: "torchscript".
        batch_buckets: batch sizes that were compiled and warmed, ascending.
        padding: how a window shorter than the model's is filled: "mask" (zeros that the
            network does not see), "zero" (zeros that it does) or "repeat" (itself again).
        layout: how the checkpoint was written: "transformers", "two-stage", "top4-mlp",
            "state-dict", "aasist" and so on (`files/layouts`).
        normalize: whether each window is brought to zero mean and unit variance.
        spoof_label: the output that means spoof, in words.
        utterance_score: what the cumulative score of a stream is: "evidence" (calibrated LLRs
            added up), "mean" (of the windows' P(spoof)) or "first" (the first window's).
        evidence_correlation: correlation of LLRs of windows of one stream, in [0, 1].
        rolling_threshold, cumulative_threshold: default P(spoof) that raises an alert.
        min_speech_seconds: speech below which a window is not worth scoring.
        trained_bandwidth_hz: narrowest audio bandwidth seen in training.
        error_rates: None where the card does not say.
        card_text: the card for people, Markdown.
        fusion_weight: of its LLRs beside those of other models; None where the card does not say.
        members: of a fusion or a cascade; its digest is that of the members' digests.
    """

    name: str
    version: str
    weights_sha256: str
    sample_rate_hz: int
    window_samples: int
    hop_samples: int
    device: str
    precision: str
    engine: str
    batch_buckets: tuple[int, ...]
    padding: str
    calibration: Calibration
    evidence_correlation: float
    rolling_threshold: float
    cumulative_threshold: float
    min_speech_seconds: float
    trained_bandwidth_hz: float
    layout: str = "transformers"
    normalize: bool = False
    spoof_label: str = ""
    utterance_score: str = "evidence"
    error_rates: ErrorRates | None = None
    card_text: str = field(default="", repr=False)
    fusion_weight: float | None = None
    members: tuple[MemberSpec, ...] = ()


class Scorer(Protocol):
    """Whatever scores windows."""

    def score(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Takes (B, N) windows of the given lengths to spoof LLRs (B,)."""


class LoadedModel(Scorer, Protocol):
    """A scorer that says what it is: the detector, or what stands in for it."""

    @property
    def spec(self) -> ModelSpec:
        """The facts of the model."""
