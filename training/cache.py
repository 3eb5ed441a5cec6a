"""Audio decoded once: all recordings of a manifest as rows of one int16 memory map.

A row is 16 kHz mono, its mean removed, scaled so that its root mean square is -26 dBFS (less
where that would clip), zero-padded at the end. Decoding compressed audio every epoch would cost
more than the training step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dfd.training.corpus import CorpusError, Recording

SAMPLE_RATE_HZ = 16_000
ROW_SAMPLES = 67_200
LEVEL_RMS = 10 ** (-26 / 20)

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AudioCache:
    """Audio of some recordings: ``samples`` int16 (N, row), ``lengths`` int64 (N,).

    ``unreadable`` maps the file name of a recording that could not be decoded to the reason; its
    length is 0.
    """

    samples: npt.NDArray[np.int16]
    lengths: npt.NDArray[np.int64]
    unreadable: dict[str, str]

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

    Raises ``CorpusError`` where the file is missing, unreadable, empty or not finite.
    """
    import soundfile

    try:
        data, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (OSError, RuntimeError, soundfile.LibsndfileError) as error:
        raise CorpusError(f"{path}: {error}") from error
    mono = np.asarray(data.mean(axis=1), dtype=np.float32)
    if mono.size == 0 or not np.isfinite(mono).all():
        raise CorpusError(f"{path}: no samples" if mono.size == 0 else f"{path}: not finite")
    return resampled(mono, rate)


def resampled(samples: FloatArray, rate_hz: int) -> FloatArray:
    """Bring (N,) samples to 16 kHz."""
    if rate_hz == SAMPLE_RATE_HZ:
        return samples
    from math import gcd

    from scipy.signal import resample_poly

    common = gcd(rate_hz, SAMPLE_RATE_HZ)
    made = resample_poly(samples, SAMPLE_RATE_HZ // common, rate_hz // common)
    return np.asarray(made, dtype=np.float32)


def build_cache(
    recordings: Sequence[Recording],
    audio_root: Path,
    folder: Path,
    *,
    row_samples: int = ROW_SAMPLES,
    progress: Callable[[], None] | None = None,
) -> AudioCache:
    """Decode ``recordings`` below ``audio_root`` into ``folder``, or reuse what is there.

    The cache is keyed by the file names, their sizes and the row length, so a changed corpus is
    decoded anew.
    """
    key = _key(recordings, audio_root, row_samples)
    data_path, meta_path = folder / f"{key}.i16", folder / f"{key}.json"
    shape = (len(recordings), row_samples)
    if meta_path.exists() and data_path.exists():
        meta = json.loads(meta_path.read_text(encoding="utf-8"))
        samples = np.memmap(data_path, dtype=np.int16, mode="r", shape=shape)
        lengths = np.asarray(meta["lengths"], dtype=np.int64)
        return AudioCache(samples, lengths, dict(meta["unreadable"]))
    folder.mkdir(parents=True, exist_ok=True)
    writable = np.memmap(data_path, dtype=np.int16, mode="w+", shape=shape)
    lengths = np.zeros(len(recordings), dtype=np.int64)
    unreadable: dict[str, str] = {}
    for index, recording in enumerate(recordings):
        try:
            wave = level(decode(audio_root / recording.file)[:row_samples])
        except CorpusError as error:
            unreadable[recording.file] = str(error)
        else:
            lengths[index] = wave.size
            writable[index, : wave.size] = np.round(wave * 32767.0).astype(np.int16)
        if progress is not None:
            progress()
    writable.flush()
    meta_path.write_text(json.dumps({"lengths": lengths.tolist(), "unreadable": unreadable}))
    return AudioCache(writable, lengths, unreadable)


def _key(recordings: Sequence[Recording], audio_root: Path, row_samples: int) -> str:
    digest = hashlib.sha256(f"{row_samples}".encode())
    for recording in recordings:
        path = audio_root / recording.file
        size = path.stat().st_size if path.exists() else -1
        digest.update(f"{recording.file}\t{size}\n".encode())
    return digest.hexdigest()[:16]
