"""Times calls on a device that works asynchronously."""

import time
from collections.abc import Callable

import torch

from dfd.benchmarks.report.spread import Spread


def seconds_of(
    call: Callable[[], object], device: torch.device, least_seconds: float, rounds: int = 3
) -> Spread:
    """Measures the seconds per call several times.

    Args:
        call: what to measure, already called a few times; may return before the device is done.
        device: the device to wait for at the end of each measurement.
        least_seconds: duration of one measurement.
        rounds: number of measurements.
    """

    def measured(count: int) -> float:
        wait(device)
        began = time.perf_counter()
        for _ in range(count):
            call()
        wait(device)
        return (time.perf_counter() - began) / count

    measured(1)
    once = max(measured(1), 1e-7)
    count = max(1, round(least_seconds / once))
    return Spread.of([measured(count) for _ in range(rounds)])


def wait(device: torch.device) -> None:
    """Waits until the device has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
