"""What callers hold and have spent in all workers, in memory that these map."""

import fcntl
import hashlib
import mmap
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from dfd.daemon.endpoint.ledger import OwnLedger
from dfd.daemon.multiprocess.memory import allocate

# A name has its row among so many that follow the place of its digest.
_ROWS, _REACH = 8192, 64
_NAME, _DAY, _SPENT, _HELD = range(4)
_CELL_BYTES = 8


class SharedLedger:
    """The ledger of a daemon of several processes, as one of them uses it.

    Where there is no row left for a name it is counted in this process alone.

    Args:
        descriptor: what `allocate` gave; it stays the caller's, and must stay open.
        workers: how many there are.
        worker: the index of this one.
    """

    def __init__(self, descriptor: int, workers: int, worker: int) -> None:
        self._descriptor = descriptor
        self._column = _HELD + worker
        cells = np.frombuffer(mmap.mmap(descriptor, 0), np.int64)
        self._rows: NDArray[np.int64] = cells.reshape(_ROWS, _HELD + workers)
        self._own = OwnLedger()
        self._today = 0

    @staticmethod
    def allocate(workers: int) -> int:
        """Makes the memory, empty, and returns its descriptor."""
        return allocate("dfd-ledger", _ROWS * (_HELD + workers) * _CELL_BYTES)

    def take(self, name: str, limit: int) -> bool:
        """Takes a place; False where as many as `limit` are taken under this name."""
        if not self._own.holds(name):
            with self._lock():
                row = self._row(name, make=True)
                if row is not None:
                    if row[_HELD:].sum() >= limit:
                        return False
                    row[self._column] += 1
                    return True
        return self._own.take(name, limit)

    def leave(self, name: str) -> None:
        """Gives a place back."""
        if self._own.holds(name):
            self._own.leave(name)
            return
        with self._lock():
            row = self._row(name)
            if row is not None and row[self._column] > 0:
                row[self._column] -= 1

    def spend(self, name: str, seconds: int, day: int) -> None:
        """Adds to what was spent on a day; what was spent on another is forgotten."""
        self._today = day
        with self._lock():
            row = self._row(name, make=True)
            if row is not None:
                if row[_DAY] != day:
                    row[_DAY], row[_SPENT] = day, 0
                row[_SPENT] += seconds
                return
        self._own.spend(name, seconds, day)

    def spent(self, name: str, day: int) -> int:
        """What was spent on a day."""
        self._today = day
        with self._lock():
            row = self._row(name)
            shared = 0 if row is None or row[_DAY] != day else int(row[_SPENT])
        return shared + self._own.spent(name, day)

    def clear_worker(self, worker: int) -> None:
        """A worker is gone with all that it held."""
        with self._lock():
            column = self._rows[:, _HELD + worker]
            column[np.flatnonzero(column)] = 0

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # a lock of the process, which is gone with it
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _row(self, name: str, *, make: bool = False) -> NDArray[np.int64] | None:
        digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest()
        number = np.int64(int.from_bytes(digest, "little", signed=True) or 1)
        places = (int(number) + np.arange(_REACH)) % _ROWS
        names = self._rows[places, _NAME]
        found = np.flatnonzero(names == number)
        row: NDArray[np.int64]
        if len(found):
            row = self._rows[places[found[0]]]
            return row
        if not make:
            return None
        for place in places:
            row = self._rows[place]
            if not row[_NAME] or not self._needed(row):
                row[:] = 0
                row[_NAME] = number
                return row
        return None

    def _needed(self, row: NDArray[np.int64]) -> bool:
        """Whether someone holds a place under the name, or has spent something today."""
        return bool(row[_HELD:].any() or (row[_SPENT] and row[_DAY] >= self._today))
