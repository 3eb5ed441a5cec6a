"""Capacity is measured with windows that have nothing in common."""

import numpy as np

from dfd.daemon.metrics import Metrics
from dfd.daemon.scheduling.batching import SchedulerOptions
from dfd.daemon.scheduling.scheduler import Scheduler
from dfd.daemon.vitals.calibrate import calibrate
from dfd.daemon.vitals.rate import ServiceRate
from dfd.detector.speeds import known_speed
from tests.daemon.harness import FakeDetector, make_spec


async def test_no_window_repeats_another() -> None:
    # shared hops are computed only once, so repeating one window would cost nothing
    spec = make_spec(batch_buckets=(1, 2, 4))
    seen: list[bytes] = []
    detector = FakeDetector(spec, before=lambda rows: seen.extend(row.tobytes() for row in rows))
    options = SchedulerOptions(window_samples=spec.window_samples, batch_buckets=spec.batch_buckets)
    scheduler = Scheduler(detector, options, Metrics())
    scheduler.start()
    rate = ServiceRate()
    try:
        await calibrate(scheduler, spec, rate)
    finally:
        await scheduler.stop()
    windows = [one for one in seen if np.frombuffer(one, np.float32).any()]  # without padding
    assert len(windows) == len(set(windows)) >= 3 + 4
    assert rate.windows_per_second is not None
    speed = known_speed(spec.weights_sha256)
    assert speed is not None
    assert (speed.batch, speed.engine, speed.precision) == (4, spec.engine, spec.precision)
