"""Audio of recordings in memory: 16 kHz mono, float32.

`AudioCache` is a table of many, int16, in memory or as a memory map.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dfd.recordings import Block, Finding, open_recording

SAMPLE_RATE_HZ = 16_000
_BLOCK_FRAMES = 1 << 16
LEVEL_RMS = 10 ** (-26 / 20)

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AudioCache:
    """Audio of some recordings: `samples` int16 (N, row), `lengths` int64 (N,).

    `unreadable` maps the file name of a recording that could not be decoded to the reason; its
    length is 0. `key` identifies the content, for derived data cached on disk; empty if there is
    none.
    """

    samples: npt.NDArray[np.int16]
    lengths: npt.NDArray[np.int64]
    unreadable: dict[str, str]
    key: str = ""

    def waveform(self, index: int) -> FloatArray:
        """Returns the recording as float32 (length,), in -1..1."""
        row = self.samples[index, : int(self.lengths[index])]
        return row.astype(np.float32) / 32768.0


def level(samples: FloatArray) -> FloatArray:
    """Removes the mean and sets the level to -26 dBFS RMS, or to a peak of 0.99 if lower."""
    centred = samples - samples.mean()
    rms = float(np.sqrt(np.mean(centred**2)))
    if rms < 1e-7:
        return np.zeros_like(centred)
    peak = float(np.abs(centred).max())
    return np.asarray(centred * min(LEVEL_RMS / rms, 0.99 / peak), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded recording: 16 kHz mono `samples` (N,), and the problems found."""

    samples: FloatArray
    findings: tuple[Finding, ...] = ()

    @property
    def missing(self) -> str:
        """What was not read, as one clause; empty if everything was."""
        return "; ".join(str(one) for one in self.findings if one.kind.incomplete)


def decode(path: Path) -> Decoded:
    """Reads the first audio track of a file, with all its links.

    Raises:
        UserError: if the file is missing, unreadable, empty or not finite.
    """
    recording = open_recording(path)
    reading = recording.read(_BLOCK_FRAMES)
    mono = np.concatenate([_mono(block) for block in reading])
    samples = resampled(mono, SAMPLE_RATE_HZ, recording.sample_rate_hz)
    return Decoded(samples, tuple(reading.findings))


def samples_by_header(path: Path) -> int:
    """Returns the samples at 16 kHz according to the header; decodes the file if it does not say.

    Raises:
        UserError: as for `decode`.
    """
    seconds = open_recording(path).seconds
    return decode(path).samples.size if seconds is None else round(seconds * SAMPLE_RATE_HZ)


def _mono(block: Block) -> FloatArray:
    unit = block / np.float32(32768.0) if block.dtype == np.int16 else block
    return np.asarray(unit.mean(axis=1), dtype=np.float32)


def resampled(samples: FloatArray, to_hz: int, from_hz: int) -> FloatArray:
    """Resamples (N,) samples as the daemon does (soxr, high quality)."""
    if to_hz == from_hz:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, from_hz, to_hz), dtype=np.float32)
