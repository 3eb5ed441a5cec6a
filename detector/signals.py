"""Synthetic signals of several kinds, on which two forms of a network are compared."""

import numpy as np
from numpy.typing import NDArray

_SEED = 20_260_101


def probe_signals(
    window_samples: int, sample_rate_hz: int, draw: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Makes noise, a tone, speech-like sound (plain, quiet, clipped, short), clicks and silence.

    Args:
        window_samples: length of a window.
        sample_rate_hz: sample rate.
        draw: seed of the noise and the voices.

    Returns:
        Windows float32 (8, window_samples), zero beyond each length, and lengths int64 (8,); the
        same for the same `draw`.
    """
    generator = np.random.default_rng(_SEED + draw)
    time = np.arange(window_samples) / sample_rate_hz
    speech = _speech_like(time, generator)
    clicks = np.zeros(window_samples)
    clicks[:: sample_rate_hz // 7] = 0.9
    windows = np.stack(
        [
            0.1 * generator.standard_normal(window_samples),
            0.5 * np.sin(2 * np.pi * 440.0 * time),
            speech,
            1e-3 * speech,
            np.clip(8.0 * speech, -1.0, 1.0),
            _speech_like(time, generator),
            clicks,
            np.zeros(window_samples),
        ]
    ).astype(np.float32)
    lengths = np.full(len(windows), window_samples, np.int64)
    lengths[5] = window_samples // 2
    windows[5, lengths[5] :] = 0.0
    return windows, lengths


def _speech_like(time: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Makes harmonics of a gliding pitch with three formants, in syllables, with breath noise."""
    pitch = 120.0 * (1.0 + 0.2 * np.sin(2 * np.pi * 0.6 * time))
    phase = 2 * np.pi * np.cumsum(pitch) * (time[1] - time[0])
    voice = np.zeros_like(time)
    for harmonic in range(1, 25):
        frequency = 120.0 * harmonic
        gain = sum(
            np.exp(-(((frequency - formant) / 180.0) ** 2)) for formant in (500.0, 1500.0, 2500.0)
        )
        voice += (0.05 / harmonic + gain) * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 3.5 * time), 0.0, None)
    breath = 0.02 * generator.standard_normal(len(time))
    spoken: NDArray[np.float64] = 0.1 * syllables * voice + breath
    return spoken
