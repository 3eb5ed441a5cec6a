"""The detector as it is served, at the side of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dfd.errors import UserError
from dfd.evaluation.audio import SAMPLE_RATE_HZ, FloatArray
from dfd.evaluation.scoring.windows import Score, WindowOptions

if TYPE_CHECKING:
    from dfd.detector import Detector


@dataclass(frozen=True)
class Model:
    """How recordings are scored.

    Attributes:
        score: windows (B, up to N samples) and lengths to LLRs.
        options: how they are cut and pooled.
        threshold: P(spoof) from which a recording counts as an alert.
        batch: windows a call should have.
        facts: what the figures say of the model.
    """

    score: Score
    options: WindowOptions
    threshold: float
    batch: int
    facts: dict[str, object]


def as_model(detector: Detector) -> Model:
    """The detector with its own window, hop, pooling and cumulative threshold.

    Raises:
        UserError: it does not work at 16 kHz.
    """
    spec = detector.spec
    if spec.sample_rate_hz != SAMPLE_RATE_HZ:
        raise UserError(
            f"{spec.name} works at {spec.sample_rate_hz} Hz; evaluation is made for models that"
            f" work at {SAMPLE_RATE_HZ}"
        )

    def score(windows: FloatArray, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        short = spec.window_samples - windows.shape[1]
        return detector.score(np.pad(windows, ((0, 0), (0, short))) if short else windows, lengths)

    return Model(
        score=score,
        options=WindowOptions(
            window_samples=spec.window_samples,
            hop_samples=spec.hop_samples,
            evidence_correlation=spec.evidence_correlation,
            utterance_score=spec.utterance_score,
        ),
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
            "normalize": spec.normalize,
            "padding": spec.padding,
            "utterance_score": spec.utterance_score,
        },
    )
