"""Worker threads of a sink whose work stays on disk until it is done."""

from __future__ import annotations

import heapq
import itertools
import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from dfd.clients.alerts.spool import Delivery, Spool

logger = logging.getLogger("dfd.sinks")

_FIRST_DELAY_SECONDS = 0.5
_MOST_DELAY_SECONDS = 60.0
_MOST_WAITING = 10_000
_KEEP_SECONDS = 7 * 86_400.0


class LaterError(Exception):
    """A delivery failed for a reason that may pass: try it again later."""


class SpooledWorkers:
    """Does one kind of work until it succeeds, across processes; otherwise like `Workers`.

    Args:
        name: name of the threads, also used in the log.
        work: makes one delivery. If it raises `LaterError` the delivery is retried at growing
            intervals for a week; any other exception gives it up and is reported to `on_error`.
        spool: stores what is not done yet.
        threads: how many deliveries may run at once.
        on_error: called with one line when something went wrong.

    Attributes:
        dropped, failed, done: deliveries that found no room, were given up, succeeded.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Delivery], None],
        spool: Spool,
        *,
        threads: int = 4,
        on_error: Callable[[str], None] = logger.error,
    ) -> None:
        self._name = name
        self._work = work
        self._spool = spool
        self._on_error = on_error
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closing = False
        self._busy = 0
        self.dropped = self.failed = self.done = 0
        left = spool.waiting()
        # (due time, sequence number, delivery)
        self._due = [(0.0, next(self._order), delivery) for delivery in left]
        if left:
            logger.info(f"{name}: delivering {len(left)} left over from an earlier run")
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, line: str) -> bool:
        """Adds a delivery, which outlives this process; returns False if there is no room."""
        with self._changed:
            if len(self._due) >= _MOST_WAITING:
                self.dropped += 1
                self._on_error(
                    f"{self._name}: {_MOST_WAITING} are waiting already; one alert was dropped"
                )
                return False
            try:
                delivery = self._spool.add(line)
            except sqlite3.Error as error:
                self._on_error(
                    f"{self._name}: cannot write to the spool {self._spool.folder}: {error}"
                )
                delivery = Delivery(0, f"{time.time_ns():032x}", line, time.time())
            heapq.heappush(self._due, (0.0, next(self._order), delivery))
            self._changed.notify()
        return True

    def close(self, seconds: float) -> None:
        """Tries once more what is due, for at most this long; the rest waits for the next run."""
        until = time.monotonic() + seconds
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self._changed:
            left = len(self._due) + self._busy
        if left:
            self._on_error(
                f"{self._name}: {left} not delivered yet; they wait in {self._spool.folder} for the"
                " next run"
            )
        self._spool.close()

    def _run(self) -> None:
        while (delivery := self._next()) is not None:
            try:
                self._work(delivery)
            except LaterError as error:
                self._later(delivery, str(error))
            except Exception as error:
                self._over(delivery, str(error))
            else:
                self._over(delivery)

    def _next(self) -> Delivery | None:
        """Waits for the next delivery that is due; None at the end."""
        with self._changed:
            while True:
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0.0:
                    self._busy += 1
                    return heapq.heappop(self._due)[2]
                if self._closing:
                    return None
                self._changed.wait(left)

    def _later(self, delivery: Delivery, reason: str) -> None:
        if time.time() - delivery.made_at > _KEEP_SECONDS:
            self._over(delivery, f"{reason}; an alert was not delivered within a week")
            return
        self._spool.attempted(delivery)
        attempts = delivery.attempts + 1
        delay = min(_FIRST_DELAY_SECONDS * 2.0 ** min(attempts - 1, 10), _MOST_DELAY_SECONDS)
        again = Delivery(
            delivery.number, delivery.delivery, delivery.line, delivery.made_at, attempts
        )
        if attempts == 1:
            self._on_error(
                f"{self._name}: {reason}; the alert is kept on disk and will be tried again"
            )
        with self._changed:
            self._busy -= 1
            heapq.heappush(self._due, (time.monotonic() + delay, next(self._order), again))
            self._changed.notify()

    def _over(self, delivery: Delivery, problem: str | None = None) -> None:
        if delivery.number:
            self._spool.remove(delivery)
        with self._changed:
            self._busy -= 1
            if problem is None:
                self.done += 1
            else:
                self.failed += 1
        if problem is not None:
            self._on_error(f"{self._name}: {problem}")
