"""Voice activity detection, with a detector and its state for every track."""

from typing import Protocol

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from dfd.streaming.options import VadEngine, VadOptions
from dfd.streaming.types import Samples

_INT16_SCALE = np.float32(32768.0)


class Vad(Protocol):
    """Distinguishes speech from other sound, frame by frame, in order."""

    @property
    def frame_samples(self) -> int:
        """Length of a frame."""

    def speech(self, samples: Samples) -> NDArray[np.bool_]:
        """Classifies float32 (n * frame_samples,), the next n frames: bool (n,)."""

    def reset(self) -> None:
        """Resets the state, as after a long gap."""


def pcm16(samples: Samples) -> bytes:
    """Converts float32 to little-endian 16-bit PCM; what exceeds full scale is clipped."""
    scaled = samples * _INT16_SCALE
    np.clip(scaled, -32768.0, 32767.0, out=scaled)
    return scaled.astype("<i2").tobytes()


class WebRtcVad:
    """WebRTC's Gaussian mixture detector (py-webrtcvad), 20 ms frames."""

    def __init__(self, sample_rate_hz: int, aggressiveness: int) -> None:
        self._rate = sample_rate_hz
        self._aggressiveness = aggressiveness
        self._frame_samples = sample_rate_hz // 50
        self.reset()

    @property
    def frame_samples(self) -> int:
        """Length of a frame, 20 ms."""
        return self._frame_samples

    def reset(self) -> None:
        """Resets the state."""
        self._vad = webrtcvad.Vad(self._aggressiveness)

    def speech(self, samples: Samples) -> NDArray[np.bool_]:
        """Classifies the next frames."""
        pcm = pcm16(samples)
        size = 2 * self._frame_samples
        is_speech, rate = self._vad.is_speech, self._rate
        flags = [is_speech(pcm[at : at + size], rate) for at in range(0, len(pcm), size)]
        return np.array(flags, np.bool_)


def make_vad(options: VadOptions, sample_rate_hz: int) -> Vad:
    """Creates the detector named in the options.

    Raises:
        ModuleNotFoundError: for Silero, where its packages are missing.
    """
    if options.engine is VadEngine.SILERO:
        from dfd.streaming.speech.silero import SileroVad

        return SileroVad(sample_rate_hz, options.speech_threshold)
    return WebRtcVad(sample_rate_hz, options.aggressiveness)
