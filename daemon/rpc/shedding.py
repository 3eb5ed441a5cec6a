"""Warnings about windows that were shed: at once, and then as a total now and then."""

from collections import Counter

from dfd.streaming.types import Reason, StreamWarning, Window

# of audio between the warnings on one channel
_INTERVAL_SECONDS = 10.0


class ShedWarnings:
    """Counts the windows of one stream that were shed, by channel."""

    def __init__(self) -> None:
        self._shed: Counter[int] = Counter()
        self._next_seconds: dict[int, float] = {}

    def shed(self, window: Window) -> StreamWarning | None:
        """Counts a window; returns a warning if one is due."""
        channel, at_seconds = window.channel, window.end_seconds
        self._shed[channel] += 1
        if at_seconds < self._next_seconds.get(channel, 0.0):
            return None
        self._next_seconds[channel] = at_seconds + _INTERVAL_SECONDS
        message = (
            f"the server is overloaded; {self._shed[channel]} windows have not been scored so far"
        )
        return StreamWarning(Reason.WINDOWS_SHED, message, channel, at_seconds)
