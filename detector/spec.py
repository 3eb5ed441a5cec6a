"""The properties of a loaded model, for rooms that must not import torch."""

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
        """Converts raw log-odds to LLRs of the same shape and type."""
        return (self.scale * log_odds + self.offset).astype(log_odds.dtype)


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """How often a model is wrong on recordings that it was not trained on.

    Attributes:
        threshold: cumulative P(spoof) from which the verdict is spoof.
        false_alarm_rate: share of bona fide recordings whose verdict is spoof.
        miss_rate: share of spoofed recordings whose verdict is not spoof.
        heard_seconds: length of the recordings.
    """

    threshold: float
    false_alarm_rate: float
    miss_rate: float
    heard_seconds: float


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """A member of a combined model.

    Attributes:
        name: name of the member.
        weight: weight of its LLR in a fusion; 0 in a cascade, which adds nothing up.
    """

    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class FusionSpec:
    """How much the LLRs of models count that are added up; fitted on calls by `dfd calibrate`.

    Attributes:
        weights: one for each model; they apply to exactly these models together.
        threshold: P(spoof) of the sum that raises an alert; None means that it follows from the
            members' thresholds.
    """

    weights: tuple[MemberSpec, ...]
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The properties of a loaded model.

    Attributes:
        weights_sha256: digest of the weights; of a combined model, of its members' digests.
        window_samples, hop_samples: window and hop, at `sample_rate_hz`.
        device: "cpu", "cuda:0" and so on.
        precision: the one chosen: "fp32", "bf16", "fp16" or "int8".
        engine: "torchscript", "openvino" or "onnx".
        batch_buckets: batch sizes that were compiled and warmed, ascending.
        padding: how a window shorter than the model's is filled: "mask" (zeros that the network
            does not see), "zero" (silence that it does see) or "repeat" (the window, repeated).
        layout: layout of the checkpoint: "transformers", "two-stage", "top4-mlp", "state-dict",
            "aasist" and so on (`files/layouts`).
        normalize: whether each window is brought to zero mean and unit variance.
        spoof_label: the output that means spoof, in words.
        utterance_score: how the cumulative score of a stream is made: "evidence" (calibrated LLRs
            added up), "mean" (the mean P(spoof) of the windows) or "first" (the first window's).
        evidence_correlation: correlation of the LLRs of windows of one stream, in [0, 1].
        rolling_threshold, cumulative_threshold: default P(spoof) that raises an alert.
        min_speech_seconds: a window with less speech is not worth scoring.
        trained_bandwidth_hz: narrowest audio bandwidth seen in training.
        error_rates: None if the card does not state them.
        card_text: text of the card for people, in Markdown.
        fusion: weights of a fusion that it belongs to; None if the card does not state them.
        members: members of a fusion or a cascade.
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
    fusion: FusionSpec | None = None
    members: tuple[MemberSpec, ...] = ()


class Scorer(Protocol):
    """Anything that scores windows."""

    def score(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Scores windows (B, N) of the given lengths: spoof LLRs (B,)."""


class LoadedModel(Scorer, Protocol):
    """A scorer with a spec: the detector, or what stands in for it."""

    @property
    def spec(self) -> ModelSpec:
        """The properties of the model."""
