"""Threads behind a sink, for what takes long: a bounded queue that never holds up audio."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

logger = logging.getLogger("dfd.sinks")


class Workers:
    """Does one kind of work, each piece in one of a few threads.

    Args:
        name: of the threads and in the log.
        work: takes one line of JSON; what it raises is told to `complain`.
        threads: pieces at once.
        backlog: pieces that may wait; beyond it they are dropped and counted.
        complain: told in one line what went wrong.

    Attributes:
        dropped: pieces that found no room.
        failed: pieces whose work raised.
        done: pieces whose work succeeded.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[str], None],
        *,
        threads: int = 4,
        backlog: int = 1000,
        complain: Callable[[str], None] = logger.error,
    ) -> None:
        self._name = name
        self._work = work
        self._complain = complain
        self._queue: queue.Queue[str | None] = queue.Queue(backlog)
        self._lock = threading.Lock()
        self.dropped = 0
        self.failed = 0
        self.done = 0
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, line: str) -> bool:
        """Takes a piece of work; False where there is no room for it."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self.dropped += 1
            waiting = self._queue.maxsize
            self._complain(f"{self._name}: {waiting} wait already; one alert was dropped")
            return False
        return True

    def close(self, seconds: float) -> None:
        """Lets the threads finish what waits, for so long."""
        until = time.monotonic() + seconds
        for _ in self._threads:
            try:
                self._queue.put(None, timeout=max(0.0, until - time.monotonic()))
            except queue.Full:
                break
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        while (line := self._queue.get()) is not None:
            try:
                self._work(line)
            except Exception as error:
                with self._lock:
                    self.failed += 1
                self._complain(f"{self._name}: {error}")
            else:
                with self._lock:
                    self.done += 1
