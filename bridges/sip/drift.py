"""How far a line's audio deviates from the clock: only lasting deviations are corrected."""

from __future__ import annotations

# Looked at over so long: a sender or a machine that stalled has caught up by then.
_WINDOW_SECONDS = 5.0
# Less than this is left alone; clocks of two telephones drift apart by it in an hour or more.
_MOST_SECONDS = 0.5
# After a pause in which the sender's timestamps stood still, at once.
_PAUSE_SECONDS = 2.0


class Drift:
    """Monitors one line; times are seconds on any monotonic clock."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._last = 0.0
        self._least = 0.0
        self._greatest = 0.0

    def correction(self, lag: float, now: float) -> float:
        """Returns the seconds by which to move the line forward (or back, if negative).

        Args:
            lag: how much later than its position on the time line audio arrived.
            now: when it arrived.
        """
        paused = self._since is not None and now - self._last > _PAUSE_SECONDS
        self._last = now
        if paused and lag > _PAUSE_SECONDS:
            self._since = None
            return lag
        if self._since is None:
            self._since, self._least, self._greatest = now, lag, lag
            return 0.0
        self._least, self._greatest = min(self._least, lag), max(self._greatest, lag)
        if now - self._since < _WINDOW_SECONDS:
            return 0.0
        self._since = None
        if self._least > _MOST_SECONDS:
            return self._least
        return self._greatest if self._greatest < -_MOST_SECONDS else 0.0
