"""An operator's settings for a model, which override its card and its own files."""

import math
from dataclasses import dataclass

from dfd.errors import UserError

MASK, ZERO, REPEAT = "mask", "zero", "repeat"
PADDINGS = (MASK, ZERO, REPEAT)
POOLINGS = ("mean", "max")
UTTERANCE_SCORES = ("evidence", "mean", "first")
# what may be asked for; which of them a device has is decided by `detector.precision`
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")
MIN_WINDOW_SECONDS = 0.25
MAX_WINDOW_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOverrides:
    """Properties of a model that an operator sets; None leaves the model's own.

    Attributes:
        spoof_label: the output that means spoof, by its label or its number, 0 or 1.
        window_seconds, hop_seconds: how audio is cut; a window without a hop scales the hop.
        normalize: whether each window is brought to zero mean and unit variance.
        padding: how a short window is filled: "mask" (zeros that the network does not see), "zero"
            (silence that it does see) or "repeat" (the window, repeated).
        utterance_score: how the cumulative score of a stream is made: "evidence" (calibrated LLRs
            added up), "mean" (the mean P(spoof) of the windows) or "first" (the first window's).
        alert_threshold: P(spoof) that raises an alert and decides the verdict, in (0, 1].
        min_speech_seconds: a window with less speech is not scored; 0 scores all.
        pooling: how a transformers classifier pools the projected frames of a window: "mean", or
            "max" of each feature.

    Raises:
        UserError: if a value is out of range or unknown.
    """

    spoof_label: str | None = None
    window_seconds: float | None = None
    hop_seconds: float | None = None
    normalize: bool | None = None
    padding: str | None = None
    utterance_score: str | None = None
    alert_threshold: float | None = None
    min_speech_seconds: float | None = None
    pooling: str | None = None

    def __post_init__(self) -> None:
        window, hop, speech = self.window_seconds, self.hop_seconds, self.min_speech_seconds
        _require(
            window is None or MIN_WINDOW_SECONDS <= window <= MAX_WINDOW_SECONDS,
            f"the model's window is {window} s; "
            f"use {MIN_WINDOW_SECONDS:g} to {MAX_WINDOW_SECONDS:g} s",
        )
        _require(
            hop is None or (math.isfinite(hop) and hop > 0.0),
            f"the model's hop is {hop} s; use more than 0",
        )
        _require(
            self.padding is None or self.padding in PADDINGS,
            f"padding is {self.padding}; use {' or '.join(PADDINGS)}",
        )
        _require(
            self.utterance_score is None or self.utterance_score in UTTERANCE_SCORES,
            f"the utterance score is {self.utterance_score}; use {' or '.join(UTTERANCE_SCORES)}",
        )
        _require(
            self.pooling is None or self.pooling in POOLINGS,
            f"the pooling is {self.pooling}; use {' or '.join(POOLINGS)}",
        )
        threshold = self.alert_threshold
        _require(
            threshold is None or 1e-6 <= threshold <= 1.0,
            f"the alert threshold is {threshold}; use a probability above 0 and at most 1",
        )
        _require(
            speech is None or (math.isfinite(speech) and speech >= 0.0),
            f"the minimum speech of a window is {speech} s; use 0 or more",
        )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UserError(message)
