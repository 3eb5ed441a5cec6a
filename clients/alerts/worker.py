"""Worker threads of a sink, for slow work: a bounded queue that never holds up audio."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

logger = logging.getLogger("dfd.sinks")


class Workers:
    """Does one kind of work in a few threads.

    Args:
        name: name of the threads, also used in the log.
        work: handles one line of JSON; what it raises is reported to `on_error`.
        threads: how many items may run at once.
        backlog: how many items may wait; more are dropped and counted.
        on_error: called with one line when something went wrong.

    Attributes:
        dropped: items that found no room.
        failed: items whose work raised.
        done: items whose work succeeded.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[str], None],
        *,
        threads: int = 4,
        backlog: int = 1000,
        on_error: Callable[[str], None] = logger.error,
    ) -> None:
        self._name = name
        self._work = work
        self._on_error = on_error
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
        """Adds an item; returns False if there is no room."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self.dropped += 1
            waiting = self._queue.maxsize
            self._on_error(f"{self._name}: {waiting} are waiting already; one alert was dropped")
            return False
        return True

    def close(self, seconds: float) -> None:
        """Lets the threads finish what is waiting, for at most this long."""
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
                self._on_error(f"{self._name}: {error}")
            else:
                with self._lock:
                    self.done += 1
