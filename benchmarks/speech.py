"""Makes sound that voice activity detectors take for speech."""

import numpy as np
from numpy.typing import NDArray

from dfd.detector.signals import probe_signals

# The loud voice among the synthetic signals.
_VOICE = 2


def speech(rate: int, seconds: float, voice: int = 0) -> NDArray[np.float32]:
    """Returns float32 (N,), full scale 1.0; each `voice` sounds different."""
    windows, _ = probe_signals(int(rate * seconds), rate, voice)
    samples = windows[_VOICE]
    loud: NDArray[np.float32] = samples * np.float32(0.5 / max(1e-6, np.abs(samples).max()))
    return loud
