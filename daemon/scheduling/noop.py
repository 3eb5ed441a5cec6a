"""A model that scores nothing, to measure the daemon's own capacity; never the default."""

import numpy as np
from numpy.typing import NDArray

from dfd.detector.spec import Calibration, ModelSpec
from dfd.streaming.types import Samples

NOOP = "noop"
_BUCKETS = (1, 2, 4, 8, 16, 32, 64)


class NoopDetector:
    """Gives every window even odds, at once."""

    def __init__(self, batch_buckets: tuple[int, ...] | None = None) -> None:
        self.spec = ModelSpec(
            name=NOOP,
            version="0",
            weights_sha256="",
            sample_rate_hz=16_000,
            window_samples=64_000,
            hop_samples=32_000,
            device="none",
            precision="fp32",
            engine=NOOP,
            batch_buckets=batch_buckets or _BUCKETS,
            padding="mask",
            calibration=Calibration(),
            evidence_correlation=0.5,
            rolling_threshold=0.8,
            cumulative_threshold=0.8,
            min_speech_seconds=0.5,
            trained_bandwidth_hz=3_400.0,
        )

    def score(self, windows: Samples, lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores windows (B, N) with LLRs of 0 (B,)."""
        return np.zeros(len(lengths), np.float32)
