"""What callers hold and have spent across all workers, in shared memory."""

import hashlib
import mmap

import numpy as np
from numpy.typing import NDArray

from dfd.daemon.endpoint.ledger import OwnLedger
from dfd.daemon.multiprocess.memory import allocate, locked

# A name's row is one of the `_REACH` rows that follow the place of its digest.
_ROWS, _REACH = 8192, 64
_NAME, _DAY, _SPENT, _PAID, _HELD = range(5)
_CELL_BYTES = 8
_NANOSECONDS = 1e9


class SharedLedger:
    """The ledger of a daemon with several processes, as used by one of them.

    A name for which no row is left is counted in this process alone.

    Args:
        descriptor: the result of `allocate`; it remains the caller's and must stay open.
        workers: number of workers.
        worker: index of this one.
    """

    def __init__(self, descriptor: int, workers: int, worker: int) -> None:
        self._descriptor = descriptor
        self._column = _HELD + worker
        cells = np.frombuffer(mmap.mmap(descriptor, 0), np.int64)
        self._rows: NDArray[np.int64] = cells.reshape(_ROWS, _HELD + workers)
        self._own = OwnLedger()
        self._today = 0
        self._now = 0.0

    @staticmethod
    def allocate(workers: int) -> int:
        """Allocates the memory, empty, and returns its descriptor."""
        return allocate("dfd-ledger", _ROWS * (_HELD + workers) * _CELL_BYTES)

    def take(self, name: str, limit: int) -> bool:
        """Takes a place; returns False if `limit` places are taken under this name."""
        if not self._own.holds(name):
            with locked(self._descriptor):
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
        with locked(self._descriptor):
            row = self._row(name)
            if row is not None and row[self._column] > 0:
                row[self._column] -= 1

    def spend(self, name: str, seconds: int, day: int) -> None:
        """Adds to what was spent on a day; earlier days are forgotten."""
        self._today = day
        with locked(self._descriptor):
            row = self._row(name, make=True)
            if row is not None:
                if row[_DAY] != day:
                    row[_DAY], row[_SPENT] = day, 0
                row[_SPENT] += seconds
                return
        self._own.spend(name, seconds, day)

    def spent(self, name: str, day: int) -> int:
        """Returns what was spent on a day."""
        self._today = day
        with locked(self._descriptor):
            row = self._row(name)
            shared = 0 if row is None or row[_DAY] != day else int(row[_SPENT])
        return shared + self._own.spent(name, day)

    def pay(self, name: str, seconds: float, now: float) -> float:
        """Adds to what time has to pay for; returns until when it does."""
        self._now = now
        with locked(self._descriptor):
            row = self._row(name, make=True)
            if row is not None:
                until = max(int(row[_PAID]), int(now * _NANOSECONDS))
                row[_PAID] = until + int(seconds * _NANOSECONDS)
                return float(row[_PAID]) / _NANOSECONDS
        return self._own.pay(name, seconds, now)

    def clear_worker(self, worker: int) -> None:
        """Gives back everything that a worker held that is gone."""
        with locked(self._descriptor):
            column = self._rows[:, _HELD + worker]
            column[np.flatnonzero(column)] = 0

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
        """Returns whether a name holds a place, has spent something today, or still pays for it."""
        paying = row[_PAID] > self._now * _NANOSECONDS
        return bool(row[_HELD:].any() or paying or (row[_SPENT] and row[_DAY] >= self._today))
