"""A scheduler in front of a classifier that can be paused."""

import asyncio
from typing import Any

import numpy as np

from dfd.daemon.metrics import Metrics
from dfd.daemon.scheduling.batching import Kind, Lane, Outcome, SchedulerOptions
from dfd.daemon.scheduling.scheduler import Scheduler
from dfd.streaming.types import Samples
from tests.daemon.harness import FakeDetector, make_spec
from tests.waiting import until

N = 64


class SchedulerHarness:
    """A scheduler with a classifier that can be paused."""

    def __init__(self, **options: Any) -> None:
        self.detector = FakeDetector(make_spec(window_samples=N))
        self.metrics = Metrics()
        defaults: dict[str, Any] = {"window_samples": N, "batch_buckets": (1, 2, 4, 8)}
        self.scheduler = Scheduler(
            self.detector, SchedulerOptions(**(defaults | options)), self.metrics
        )
        self.scheduler.start()
        self.lanes = [self.scheduler.open_lane() for _ in range(8)]

    def submit(
        self,
        length: int = N,
        due: float = 60.0,
        kind: Kind = Kind.LIVE,
        lane: int = 0,
        samples: Samples | None = None,
        channel: int = 0,
    ) -> asyncio.Future[Outcome]:
        """Submits a window; windows are identified by their length."""
        if samples is None:
            samples = np.full(length, 0.25, np.float32)
        at = self.scheduler.clock() + due
        return self.scheduler.submit(
            self.lanes[lane], samples, due_at=at, kind=kind, channel=channel
        )

    async def hold(self) -> asyncio.Future[Outcome]:
        """Keeps the device busy with one window until the gate opens."""
        self.detector.gate.clear()
        first = self.submit(1, lane=7)
        self.scheduler.close_lane(Lane())  # wakes the worker
        await until(lambda: not self.metrics.value("dfd_queue_length"))
        return first
