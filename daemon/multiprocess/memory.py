"""Memory that the processes of one daemon map: windows in slots, and counts that all read."""

import fcntl
import mmap
import os

import numpy as np

from dfd.streaming.types import Samples

_CELL_BYTES = 8


def allocate(name: str, size_bytes: int) -> int:
    """Makes anonymous memory that other processes can map, all 0, and returns its descriptor."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    os.ftruncate(descriptor, size_bytes)
    return descriptor


class WindowSlots:
    """Places for windows, written by one worker and read by every instance.

    Pages that were never written take no memory.

    Args:
        descriptor: what `allocate` gave; it stays the caller's.

    Attributes:
        rows: float32 (slots, window_samples).
    """

    def __init__(self, descriptor: int, window_samples: int) -> None:
        memory = mmap.mmap(descriptor, 0)
        self.rows: Samples = np.frombuffer(memory, np.float32).reshape(-1, window_samples)

    @staticmethod
    def allocate(slots: int, window_samples: int) -> int:
        """Makes the memory and returns its descriptor."""
        size = slots * window_samples * np.dtype(np.float32).itemsize
        return allocate("dfd-windows", size)


class SharedCounts:
    """Counts that all processes read; each is written by one worker.

    Args:
        descriptor: what `allocate` gave; it stays the caller's, and must stay open.
    """

    def __init__(self, descriptor: int, workers: int, instances: int) -> None:
        self._descriptor = descriptor
        cells = np.frombuffer(mmap.mmap(descriptor, 0), np.int64)
        self._streams = cells[:workers]
        self._loads = cells[workers:].reshape(instances, workers)

    @staticmethod
    def allocate(workers: int, instances: int) -> int:
        """Makes the memory, all counts 0, and returns its descriptor."""
        return allocate("dfd-counts", _CELL_BYTES * workers * (1 + instances))

    @property
    def streams(self) -> int:
        """Streams of all workers."""
        return int(self._streams.sum())

    def acquire_stream(self, worker: int, limit: int) -> bool:
        """Counts a stream of a worker; False where all workers have `limit` already."""
        # a lock of the process, which is gone with it
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            if self.streams >= limit:
                return False
            self._streams[worker] += 1
            return True
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def release_stream(self, worker: int) -> None:
        """A stream of a worker ended."""
        self._streams[worker] -= 1

    def load(self, instance: int) -> int:
        """Windows that an instance has to score yet."""
        return int(self._loads[instance].sum())

    def add_load(self, instance: int, worker: int, windows: int) -> None:
        """Windows went to an instance, or came back."""
        self._loads[instance, worker] += windows

    def clear_worker(self, worker: int) -> None:
        """A worker is gone with all that it had."""
        self._streams[worker] = 0
        self._loads[:, worker] = 0
