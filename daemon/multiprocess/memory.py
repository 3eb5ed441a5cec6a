"""Shared memory of the processes of one daemon: windows in slots, and counts."""

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from dfd.streaming.types import Samples

_CELL_BYTES = 8


def allocate(name: str, size_bytes: int) -> int:
    """Allocates zeroed anonymous memory that other processes can map; returns its descriptor."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    os.ftruncate(descriptor, size_bytes)
    return descriptor


@contextmanager
def locked(descriptor: int) -> Iterator[None]:
    """Locks memory against other processes; the lock is released if its process dies."""
    fcntl.lockf(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)


class WindowSlots:
    """Slots for windows, written by one worker and read by every instance.

    Pages that were never written use no memory.

    Args:
        descriptor: the result of `allocate`; it remains the caller's.

    Attributes:
        rows: float32 (slots, window_samples).
    """

    def __init__(self, descriptor: int, window_samples: int) -> None:
        memory = mmap.mmap(descriptor, 0)
        self.rows: Samples = np.frombuffer(memory, np.float32).reshape(-1, window_samples)

    @staticmethod
    def allocate(slots: int, window_samples: int) -> int:
        """Allocates the memory and returns its descriptor."""
        size = slots * window_samples * np.dtype(np.float32).itemsize
        return allocate("dfd-windows", size)


class SharedCounts:
    """Counts that all processes read; each is written by one worker.

    Args:
        descriptor: the result of `allocate`; it remains the caller's and must stay open.
    """

    def __init__(self, descriptor: int, workers: int, instances: int) -> None:
        self._descriptor = descriptor
        cells = np.frombuffer(mmap.mmap(descriptor, 0), np.int64)
        self._streams = cells[:workers]
        self._loads = cells[workers:].reshape(instances, workers)

    @staticmethod
    def allocate(workers: int, instances: int) -> int:
        """Allocates the memory with all counts at 0, and returns its descriptor."""
        return allocate("dfd-counts", _CELL_BYTES * workers * (1 + instances))

    @property
    def streams(self) -> int:
        """Returns the number of streams of all workers."""
        return int(self._streams.sum())

    def acquire_stream(self, worker: int, limit: int) -> bool:
        """Counts a stream of a worker; returns False if all workers have `limit` already."""
        with locked(self._descriptor):
            if self.streams >= limit:
                return False
            self._streams[worker] += 1
            return True

    def release_stream(self, worker: int) -> None:
        """Counts the end of a stream of a worker."""
        self._streams[worker] -= 1

    def load(self, instance: int) -> int:
        """Returns the number of windows that an instance has still to score."""
        return int(self._loads[instance].sum())

    def add_load(self, instance: int, worker: int, windows: int) -> None:
        """Counts windows sent to an instance, or, if negative, returned."""
        self._loads[instance, worker] += windows

    def clear_worker(self, worker: int) -> None:
        """Clears all counts of a worker that is gone."""
        self._streams[worker] = 0
        self._loads[:, worker] = 0
