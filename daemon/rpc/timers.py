"""The timers of one stream, which end with it."""

import asyncio
from collections.abc import Callable

Since = Callable[[], float | None]


class Timers:
    """Schedules calls; belongs to one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._handles: list[asyncio.TimerHandle] = []

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Schedules one call, unless `cancel` comes first."""
        now = self._loop.time()
        self._handles = [h for h in self._handles if h.when() > now and not h.cancelled()]
        self._handles.append(self._loop.call_later(seconds, call))

    def when_overdue(self, since: Since, limit_seconds: float, call: Callable[[], None]) -> None:
        """Schedules one call for when something has lasted longer than allowed.

        Args:
            since: when it began, on the loop's clock; None if it is not going on.
            limit_seconds: how long it may last.
            call: the function to call.
        """
        left = self.left(since, limit_seconds)
        if left > 0.0:
            self.after(left, lambda: self.when_overdue(since, limit_seconds, call))
        else:
            call()

    def left(self, since: Since, limit_seconds: float) -> float:
        """Returns the seconds that remain: the whole limit if it is not going on."""
        began = since()
        return limit_seconds if began is None else began + limit_seconds - self._loop.time()

    def cancel(self) -> None:
        """Cancels all scheduled calls."""
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()
