"""Rate-limited logging, for lines that a client can cause as often as it likes."""

import logging
import time
from collections.abc import Callable

from dfd.daemon.logs import log


class BoundedLog:
    """Writes the first lines of each second; the next line says how many were left out.

    Args:
        per_second: number of lines.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, per_second: int = 5, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._second = -1
        self._written = 0
        self._left_out = 0

    def __call__(self, event: str, **fields: object) -> None:
        """Writes one event at level INFO, or counts it."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._written = second, 0
        if self._written >= self._per_second:
            self._left_out += 1
            return
        self._written += 1
        left_out, self._left_out = self._left_out, 0
        log(logging.INFO, event, **fields, left_out=left_out or None)
