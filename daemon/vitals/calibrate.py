"""Measures how long a forward pass takes, before the first stream arrives."""

import asyncio
import logging

import numpy as np

from dfd.daemon.logs import log
from dfd.daemon.scheduling.batching import Kind
from dfd.daemon.scheduling.contract import WindowScheduler
from dfd.daemon.vitals.rate import ServiceRate
from dfd.detector.spec import ModelSpec
from dfd.detector.speeds import remember_speed
from dfd.streaming.types import Samples, WindowStatus

# approximate limit for the whole measurement
_SECONDS = 3.0


async def calibrate(
    scheduler: WindowScheduler,
    spec: ModelSpec,
    rate: ServiceRate,
    devices: int = 1,
    alone: bool = True,
) -> None:
    """Scores noise: single windows, then as many at once as one pass takes.

    Args:
        scheduler: the scheduler of the devices.
        spec: spec of their model.
        rate: receives the result.
        devices: number of devices.
        alone: whether no other process measures them at the same time: the result is then kept
            for `dfd models list`.
    """
    # a window of its own each time: a network may compute what windows have in common only once
    noise = np.random.default_rng(0)
    lane = scheduler.open_lane()

    def window() -> Samples:
        return noise.normal(0.0, 0.05, spec.window_samples).astype(np.float32)

    async def once(count: int) -> tuple[int, float] | None:
        outcomes = await asyncio.gather(
            *(
                scheduler.submit(lane, window(), due_at=scheduler.clock(), kind=Kind.PATIENT)
                for _ in range(count * devices)
            )
        )
        passes = [
            (outcome.batch_size, outcome.compute_seconds)
            for outcome in outcomes
            if outcome.status is WindowStatus.SCORED
        ]
        return max(passes, default=None)

    try:
        async with asyncio.timeout(10 * _SECONDS):
            # the first pass after loading is not typical
            singles = [await once(1) for _ in range(3)][1:]
            single = min((seconds for found in singles if found for _, seconds in [found]))
            most = max(1, min(spec.batch_buckets[-1], int(_SECONDS / max(single, 1e-9))))
            size = max(bucket for bucket in spec.batch_buckets if bucket <= most)
            largest = await once(size) or (1, single)
    except (TimeoutError, ValueError):
        log(logging.WARNING, "capacity not measured: windows did not come back")
        return
    finally:
        scheduler.close_lane(lane)
    rate.calibrate(single, *largest)
    if alone and spec.device == "cpu":
        batch, seconds = largest
        await asyncio.to_thread(
            remember_speed,
            spec.weights_sha256,
            batch / max(seconds, 1e-9),
            batch=batch,
            engine=spec.engine,
            precision=spec.precision,
        )
    log(
        logging.INFO,
        "capacity measured",
        window_seconds=single,
        batch_size=largest[0],
        batch_seconds=largest[1],
        windows_per_second=rate.windows_per_second,
    )
