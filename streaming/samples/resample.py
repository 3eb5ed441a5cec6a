"""Resamples from a stream's rate to the model's, keeping state between chunks."""

import numpy as np
import soxr

from dfd.streaming.types import Samples


class Resampler:
    """Resamples all channels of one contiguous run of audio with soxr.

    soxr's stream gives exactly the same samples for any chunking. Its delay, 20 to 90 ms at
    quality HQ, affects when samples are available, not their positions.
    """

    def __init__(self, from_rate_hz: int, to_rate_hz: int, channel_count: int) -> None:
        self._channel_count = channel_count
        self._stream = (
            None
            if from_rate_hz == to_rate_hz
            else soxr.ResampleStream(from_rate_hz, to_rate_hz, channel_count, dtype="float32")
        )

    def push(self, samples: Samples) -> Samples:
        """Takes (frames, channels) at the old rate and returns what is ready at the new rate."""
        return samples if self._stream is None else self._run(samples, last=False)

    def flush(self) -> Samples:
        """Returns what is left, (frames, channels); the resampler cannot be used afterwards."""
        empty = np.zeros((0, self._channel_count), np.float32)
        return empty if self._stream is None else self._run(empty, last=True)

    def _run(self, samples: Samples, *, last: bool) -> Samples:
        assert self._stream is not None
        flat = samples[:, 0] if self._channel_count == 1 else samples
        resampled: Samples = self._stream.resample_chunk(np.ascontiguousarray(flat), last=last)
        return resampled.reshape(-1, self._channel_count)
