"""How many windows per second the device can score, estimated from its forward passes."""

import math

from dfd.daemon.scheduling.batching import Kind, Outcome

# Passes count for as long as the device takes them, and are forgotten after so many seconds of its
# work. Single passes differ much, and whoever waits to be let in comes when the fastest was last.
_SECONDS = 2.0


class ServiceRate:
    """Windows per second with the largest batches, corrected by how each pass compares.

    The durations of a pass with one window and with the largest batch were measured when the device
    was idle. A pass of any size in between shows by how much the device, or the machine that it
    shares, is slower now. That it is faster, because the machine was busy when it was measured, is
    believed only as far as passes show it themselves: a small one that is fast says little of large
    ones, and streams that begin together bring their windows together.

    Args:
        devices: number of devices that share the windows.
    """

    def __init__(self, devices: int = 1) -> None:
        self._devices = devices
        self._reference: tuple[float, int, float] | None = None
        # of the latest seconds of work: their number, windows, and seconds when it was idle
        self._worked = self._windows = self._expected = 0.0

    def calibrate(self, one_seconds: float, size: int, seconds: float) -> None:
        """Sets the reference durations: a pass with one window, and one of the largest size."""
        self._reference = (one_seconds, size, max(seconds, 1e-9))
        self._worked = self._expected = _SECONDS
        self._windows = _SECONDS * size / self._reference[2]

    @property
    def seconds_each(self) -> float | None:
        """What a window takes of all devices together; None before it is known."""
        rate = self.windows_per_second
        return None if rate is None else 1.0 / rate

    def take(self, _: Kind, outcome: Outcome) -> None:
        """Takes what became of a window into account."""
        if outcome.batch_size:
            self.observe(outcome.batch_size, outcome.compute_seconds)

    def observe(self, size: int, seconds: float) -> None:
        """Takes one window of a pass into account."""
        if self._reference is None:
            return
        one, largest, most = self._reference
        share = (size - 1) / max(1, largest - 1)
        seconds = max(seconds, 1e-9)
        expected = min(seconds, one + (most - one) * min(1.0, share))
        kept = math.exp(-seconds / size / _SECONDS)
        self._worked = kept * self._worked + seconds / size
        self._expected = kept * self._expected + expected / size
        self._windows = kept * self._windows + 1.0

    @property
    def windows_per_second(self) -> float | None:
        """Returns the throughput of all devices together; None before it is known."""
        if self._reference is None:
            return None
        _, size, seconds = self._reference
        as_measured = size / seconds * self._expected / self._worked
        return self._devices * max(as_measured, self._windows / self._worked)
