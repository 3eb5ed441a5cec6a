"""Which windows of a track to read for watermarks, and when a watermark counts as found.

A watermark is present from a generator's first word to its last, so little has to be read: the
first windows of speech, then one now and then. At the beginning a single clear reading is enough;
later the last few are combined, so that a long call does not accumulate rare false detections.
"""

from collections import deque
from dataclasses import dataclass

from dfd.streaming.state import WatermarkState
from dfd.streaming.types import Watermark, Window

# the first windows are all read, and then one window in this many seconds
FIRST_READINGS = 4
LATER_SECONDS = 20.0
# judged together
_TOGETHER = 4
# a shorter window is read only as the last one, for want of another
_LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What the reader of one scheme said of a window.

    Attributes:
        scheme: name of the scheme.
        confidence: about 0 without the watermark and 1 with it.
        threshold: threshold of the scheme.
    """

    scheme: str
    confidence: float
    threshold: float


class WatermarkReadings:
    """The readings of one track.

    Args:
        sample_rate_hz: sample rate of the model.
        state: state to continue from.

    Attributes:
        asked: number of windows requested so far.
    """

    def __init__(self, sample_rate_hz: int, state: WatermarkState | None = None) -> None:
        state = state or WatermarkState(0, 0, {}, ())
        self._rate = sample_rate_hz
        self._next_start = state.next_start
        self._latest = {
            scheme: deque(readings, maxlen=_TOGETHER) for scheme, readings in state.latest.items()
        }
        self._found = {mark.scheme: mark for mark in state.found}
        self.asked = state.asked

    def state(self) -> WatermarkState:
        """Returns the state so far."""
        latest = {scheme: tuple(readings) for scheme, readings in self._latest.items()}
        return WatermarkState(self.asked, self._next_start, latest, self.found)

    @property
    def found(self) -> tuple[Watermark, ...]:
        """The watermarks found, in order."""
        return tuple(self._found.values())

    def wants(self, window: Window) -> bool:
        """Returns whether to read a window; one that overlaps the last one is not read."""
        if window.provisional or not window.scoreable:
            return False
        seconds = (window.end_sample - window.start_sample) / self._rate
        if window.final and (self.asked or seconds < _LEAST_SECONDS):
            return False
        if window.start_sample < self._next_start:
            return False
        self.asked += 1
        wait = 0 if self.asked < FIRST_READINGS else round(LATER_SECONDS * self._rate)
        self._next_start = max(window.end_sample, window.start_sample + wait)
        return True

    def add(self, window: Window, reading: Reading) -> Watermark | None:
        """Adds a reading; returns a watermark that it newly finds."""
        latest = self._latest.setdefault(reading.scheme, deque(maxlen=_TOGETHER))
        latest.append(min(1.0, max(0.0, reading.confidence)))
        mean = sum(latest) / len(latest)
        if mean < reading.threshold or reading.scheme in self._found:
            return None
        found = Watermark(reading.scheme, window.end_seconds, mean)
        self._found[reading.scheme] = found
        return found
