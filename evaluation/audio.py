"""Audio of recordings in memory: 16 kHz mono, float32.

``AudioCache`` is a table of many, int16, in memory or as a memory map.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dfd.errors import UserError

SAMPLE_RATE_HZ = 16_000
LEVEL_RMS = 10 ** (-26 / 20)

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AudioCache:
    """Audio of some recordings: ``samples`` int16 (N, row), ``lengths`` int64 (N,).

    ``unreadable`` maps the file name of a recording that could not be decoded to the reason; its
    length is 0. ``key`` names the content for what is derived from it and kept on a disk; empty
    where nothing is.
    """

    samples: npt.NDArray[np.int16]
    lengths: npt.NDArray[np.int64]
    unreadable: dict[str, str]
    key: str = ""

    def waveform(self, index: int) -> FloatArray:
        """The recording as float32 (length,), in -1..1."""
        row = self.samples[index, : int(self.lengths[index])]
        return row.astype(np.float32) / 32768.0


def level(samples: FloatArray) -> FloatArray:
    """Remove the mean and set the level to -26 dBFS RMS, or to a peak of 0.99 if that is lower."""
    centred = samples - samples.mean()
    rms = float(np.sqrt(np.mean(centred**2)))
    if rms < 1e-7:
        return np.zeros_like(centred)
    peak = float(np.abs(centred).max())
    return np.asarray(centred * min(LEVEL_RMS / rms, 0.99 / peak), dtype=np.float32)


def decode(path: Path) -> FloatArray:
    """Read an audio file as 16 kHz mono float32 (N,).

    Raises ``UserError`` where the file is missing, unreadable, empty or not finite.
    """
    import soundfile

    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        data, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (OSError, RuntimeError, soundfile.LibsndfileError) as error:
        raise UserError(f"{path}: {error}") from error
    mono = np.asarray(data.mean(axis=1), dtype=np.float32)
    if mono.size == 0 or not np.isfinite(mono).all():
        raise UserError(f"{path}: no samples" if mono.size == 0 else f"{path}: not finite")
    return resampled(mono, SAMPLE_RATE_HZ, rate)


def resampled(samples: FloatArray, to_hz: int, from_hz: int) -> FloatArray:
    """Bring (N,) samples from one rate to another, as the daemon does (soxr, high quality)."""
    if to_hz == from_hz:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, from_hz, to_hz), dtype=np.float32)
