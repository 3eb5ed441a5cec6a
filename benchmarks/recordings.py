"""Reads recordings, of any kind that clients read, as samples for a benchmark."""

from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from dfd.clients.audio import Encoding
from dfd.clients.sources.recording import open_recording


def first_channel(path: Path, rate_hz: int, seconds: float | None = None) -> NDArray[np.float32]:
    """Reads the first channel, float32 (N,), full scale 1.0, resampled.

    Args:
        path: path of the recording.
        rate_hz: sample rate to return.
        seconds: length from the beginning; None means the whole recording.

    Raises:
        UserError: if it cannot be read.
    """
    recording = open_recording(path)
    found = recording.audio_format
    integers = found.encoding is Encoding.LINEAR16
    # half a second more, which resampling needs at the end
    chunks = recording.chunks(1.0 if seconds is None else seconds + 0.5)
    content = b"".join(chunks) if seconds is None else next(iter(chunks))
    samples = np.frombuffer(content, "<i2" if integers else "<f4").astype(np.float32)
    samples = samples.reshape(-1, found.channel_count)[:, 0] / (32768.0 if integers else 1.0)
    resampled: NDArray[np.float32] = soxr.resample(samples, found.sample_rate_hz, rate_hz)
    return resampled if seconds is None else resampled[: round(seconds * rate_hz)]
