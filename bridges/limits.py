"""Limits on what one peer may demand of the bridge."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from dfd.bridges.log import log


class ByteBudget:
    """A token bucket: a number of bytes per second, after a burst.

    Args:
        bytes_per_second: the rate.
        burst_seconds: how many seconds' worth may arrive at once.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        bytes_per_second: float,
        burst_seconds: float = 4.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = bytes_per_second
        self._most = bytes_per_second * burst_seconds
        self._left = self._most
        self._clock = clock
        self._then = clock()

    def take(self, count: int) -> bool:
        """Returns whether this many more bytes are within the limit."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._then) * self._rate)
        self._then = now
        if count > self._left:
            return False
        self._left -= count
        return True


class RefusalLog:
    """Logs a line for each rejected peer, or one per second in a flood.

    Args:
        lines_per_second: beyond this number they are counted, not written.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self, lines_per_second: int = 10, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = lines_per_second
        self._clock = clock
        self._second = 0
        self._lines = 0
        self._unwritten = 0

    def write(self, source: str, reason: str) -> None:
        """Logs why a peer was rejected."""
        second = int(self._clock())
        if second != self._second:
            if self._unwritten:
                log(
                    logging.WARNING,
                    "more peers were rejected within a second",
                    count=self._unwritten,
                )
            self._second, self._lines, self._unwritten = second, 0, 0
        if self._lines >= self._most:
            self._unwritten += 1
            return
        self._lines += 1
        log(logging.WARNING, "turned away", source=source, reason=reason)
