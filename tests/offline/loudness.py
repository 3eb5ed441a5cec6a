"""A scorer for tests of recordings, for which loud audio is spoof."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dfd.detector.spec import Calibration, ModelSpec
from dfd.streaming.types import Samples

SPEC = ModelSpec(
    name="loudness",
    version="1",
    weights_sha256="0" * 64,
    sample_rate_hz=16_000,
    window_samples=64_000,
    hop_samples=32_000,
    device="cpu",
    precision="fp32",
    engine="none",
    batch_buckets=(1, 2, 3),
    padding="mask",
    calibration=Calibration(),
    evidence_correlation=0.5,
    rolling_threshold=0.8,
    cumulative_threshold=0.8,
    min_speech_seconds=1.0,
    trained_bandwidth_hz=3_400.0,
)


class LoudnessDetector:
    """Scores by loudness; records the size of each batch."""

    def __init__(self, **facts: object) -> None:
        self.spec = replace(SPEC, **facts)  # type: ignore[arg-type]
        self.batches: list[int] = []

    def score(self, windows: Samples, lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns LLRs by power."""
        assert windows.shape == (len(lengths), self.spec.window_samples)
        self.batches.append(len(windows))
        power = (windows.astype(np.float64) ** 2).sum(axis=1) / np.maximum(lengths, 1)
        scores: NDArray[np.float32] = (10.0 * np.log10(power + 1e-9) + 22.0).astype(np.float32)
        return scores
