"""The timers of one stream: they end with it."""

import asyncio
from collections.abc import Callable

Since = Callable[[], float | None]


class Timers:
    """Calls things later; belongs to one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._handles: list[asyncio.TimerHandle] = []

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Calls once, unless `cancel` comes first."""
        now = self._loop.time()
        self._handles = [h for h in self._handles if h.when() > now and not h.cancelled()]
        self._handles.append(self._loop.call_later(seconds, call))

    def when_overdue(self, since: Since, limit_seconds: float, call: Callable[[], None]) -> None:
        """Calls once when something has lasted longer than it may.

        Args:
            since: when it began, on the loop's clock; None: it is not going on.
            limit_seconds: how long it may last.
            call: is called.
        """
        left = self.left(since, limit_seconds)
        if left > 0.0:
            self.after(left, lambda: self.when_overdue(since, limit_seconds, call))
        else:
            call()

    def left(self, since: Since, limit_seconds: float) -> float:
        """Seconds that something may still last, all of them where it is not going on."""
        began = since()
        return limit_seconds if began is None else began + limit_seconds - self._loop.time()

    def cancel(self) -> None:
        """Calls nothing any more."""
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()
