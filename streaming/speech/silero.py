"""Silero's voice activity detector, run from its ONNX file.

The Python package is not imported, since that limits torch to one thread: only its ONNX file is
read. One ONNX session serves all tracks; each track has its own recurrent state and its own 64
samples of context before each frame.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from dfd.streaming.types import Samples

_SAMPLE_RATE_HZ = 16_000
_FRAME_SAMPLES = 512
_CONTEXT_SAMPLES = 64


@lru_cache(maxsize=1)
def _session() -> onnxruntime.InferenceSession:
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("silero_vad is not installed", name="silero_vad")
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    path = Path(spec.origin).parent / "data" / "silero_vad.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class SileroVad:
    """Detects speech where the network's probability reaches a threshold, in 32 ms frames.

    Raises:
        ModuleNotFoundError: if onnxruntime or silero-vad is missing.
        ValueError: for a rate other than 16 kHz.
    """

    def __init__(self, sample_rate_hz: int, speech_threshold: float) -> None:
        if sample_rate_hz != _SAMPLE_RATE_HZ:
            raise ValueError(f"Silero needs 16000 Hz, not {sample_rate_hz}")
        self._session = _session()
        self._threshold = speech_threshold
        self.reset()

    @property
    def frame_samples(self) -> int:
        """Length of a frame, 32 ms."""
        return _FRAME_SAMPLES

    def reset(self) -> None:
        """Resets the state."""
        self._state = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT_SAMPLES, np.float32)

    def speech(self, samples: Samples) -> NDArray[np.bool_]:
        """Classifies the next frames."""
        flags = np.zeros(len(samples) // _FRAME_SAMPLES, np.bool_)
        for index in range(len(flags)):
            frame = samples[index * _FRAME_SAMPLES : (index + 1) * _FRAME_SAMPLES]
            padded = np.concatenate([self._context, frame])[None]
            inputs = {
                "input": padded,
                "state": self._state,
                "sr": np.array(_SAMPLE_RATE_HZ, np.int64),
            }
            probability, self._state = self._session.run(None, inputs)
            self._context = padded[0, -_CONTEXT_SAMPLES:]
            flags[index] = probability[0, 0] >= self._threshold
        return flags
