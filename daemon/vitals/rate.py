"""How many windows per second the device can score, estimated from its forward passes."""

from dfd.daemon.scheduling.batching import Kind, Outcome

# weight of the newest pass
_SMOOTHING = 0.1
# a pass is never taken for more than so much faster than the reference
_LEAST_SLOWDOWN = 0.25


class ServiceRate:
    """Windows per second with the largest batches, corrected by how each pass compares.

    The durations of a pass with one window and with the largest batch were measured when the device
    was idle. A pass of any size in between shows by how much the device, or the machine that it
    shares, is slower now.

    Args:
        devices: number of devices that share the windows.
    """

    def __init__(self, devices: int = 1) -> None:
        self._devices = devices
        self._reference: tuple[float, int, float] | None = None
        self._slowdown = 1.0

    def calibrate(self, one_seconds: float, size: int, seconds: float) -> None:
        """Sets the reference durations: a pass with one window, and one of the largest size."""
        self._reference = (one_seconds, size, max(seconds, 1e-9))
        self._slowdown = 1.0

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
        """Takes a pass into account."""
        if self._reference is None:
            return
        one, largest, most = self._reference
        share = (size - 1) / max(1, largest - 1)
        expected = one + (most - one) * min(1.0, share)
        slowdown = max(_LEAST_SLOWDOWN, seconds / max(expected, 1e-9))
        self._slowdown += _SMOOTHING * (slowdown - self._slowdown)

    @property
    def windows_per_second(self) -> float | None:
        """Returns the throughput of all devices together; None before it is known."""
        if self._reference is None:
            return None
        _, size, seconds = self._reference
        return self._devices * size / (seconds * self._slowdown)
