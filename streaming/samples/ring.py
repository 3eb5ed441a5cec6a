"""The last seconds of one track, addressed by absolute position."""

import numpy as np

from dfd.streaming.types import Samples


class RingBuffer:
    """Keeps the last `capacity` samples written; skipped gaps read as zeros.

    Attributes:
        end: absolute position after the last sample written or skipped.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}; it must be at least 1")
        self._data = np.zeros(capacity, np.float32)
        self.end = 0

    @property
    def capacity(self) -> int:
        """Number of samples it can hold."""
        return len(self._data)

    @property
    def start(self) -> int:
        """Absolute position of the oldest sample that can still be read."""
        return max(0, self.end - self.capacity)

    def write(self, samples: Samples) -> None:
        """Appends float32 (n,); if there are more than the capacity, the last ones are kept."""
        kept = samples[-self.capacity :]
        at = (self.end + len(samples) - len(kept)) % self.capacity
        head = min(len(kept), self.capacity - at)
        self._data[at : at + head] = kept[:head]
        self._data[: len(kept) - head] = kept[head:]
        self.end += len(samples)

    def skip(self, count: int) -> None:
        """Appends `count` zeros, in bounded time however large the count."""
        if count >= self.capacity:
            self._data.fill(0.0)
            self.end += count
        else:
            self.write(np.zeros(count, np.float32))

    def read(self, start: int, end: int) -> Samples:
        """Copies [start, end), float32 (end - start,), read-only.

        Raises:
            ValueError: if the range was overwritten, is not yet written, or is reversed.
        """
        if not self.start <= start <= end <= self.end:
            raise ValueError(f"[{start}, {end}) is not within [{self.start}, {self.end})")
        length = end - start
        out = np.empty(length, np.float32)
        at = start % self.capacity
        head = min(length, self.capacity - at)
        out[:head] = self._data[at : at + head]
        out[head:] = self._data[: length - head]
        out.flags.writeable = False
        return out
