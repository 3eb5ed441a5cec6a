"""One worker and its instances in one loop, over real sockets and shared memory."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dfd.daemon.metrics import Metrics
from dfd.daemon.multiprocess.instance import WorkerConnection
from dfd.daemon.multiprocess.memory import SharedCounts, WindowSlots
from dfd.daemon.multiprocess.remote import RemoteScheduler
from dfd.daemon.scheduling.batching import Kind, Outcome, SchedulerOptions
from dfd.daemon.scheduling.scheduler import Scheduler
from dfd.streaming.types import Samples, WindowStatus
from tests.daemon.harness import FakeDetector, make_spec
from tests.waiting import until

N = 64


@dataclass
class Instance:
    """An instance with a classifier that can be paused, and the worker's end of its connection."""

    detector: FakeDetector
    scheduler: Scheduler
    connection: WorkerConnection | None = None

    @property
    def lengths(self) -> list[int]:
        """Returns the lengths of windows that ran, without padding of batches."""
        return [length for batch in self.detector.batches for length in batch if length < N]


class Pool:
    """One worker and any number of instances."""

    def __init__(self, slots: int, queue_limit: int, instances: int) -> None:
        self.descriptor = WindowSlots.allocate(slots, N)
        counts = SharedCounts.allocate(1, instances)
        self.shared = SharedCounts(counts, 1, instances)
        self.counts: list[int] = []
        self.metrics = Metrics()
        self.remote = RemoteScheduler(
            0,
            WindowSlots(self.descriptor, N),
            self.shared,
            self.metrics,
            queue_limit,
            self.counts.append,
        )
        self.lanes = [self.remote.open_lane() for _ in range(4)]
        self.instances: dict[int, Instance] = {}

    async def add(self, number: int = 0, closed: bool = False, **options: Any) -> Instance:
        detector = FakeDetector(make_spec(window_samples=N))
        if closed:
            detector.gate.clear()
        values = {"window_samples": N, "max_queue_delay_seconds": 0.005} | options
        scheduler = Scheduler(detector, SchedulerOptions(**values), Metrics())
        scheduler.start()
        instance = Instance(
            detector, scheduler, WorkerConnection(scheduler, WindowSlots(self.descriptor, N))
        )
        ours, theirs = socket.socketpair()
        assert instance.connection is not None
        await instance.connection.serve(theirs)
        await self.remote.connect(number, ours)
        self.instances[number] = instance
        return instance

    async def kill(self, number: int = 0) -> None:
        """Removes the instance with its pending answers."""
        instance = self.instances.pop(number)
        assert instance.connection is not None
        transport = instance.connection._link._transport
        if transport is not None:
            transport.abort()
        instance.detector.gate.set()
        await instance.scheduler.stop()

    def submit(
        self,
        length: int = N,
        due: float = 60.0,
        kind: Kind = Kind.LIVE,
        lane: int = 0,
        samples: Samples | None = None,
    ) -> asyncio.Future[Outcome]:
        """Submits a window; windows are identified by their length."""
        if samples is None:
            samples = np.full(length, 0.25, np.float32)
        at = self.remote.clock() + due
        return self.remote.submit(self.lanes[lane], samples, due_at=at, kind=kind)

    async def until(self, condition: Callable[[], bool]) -> None:
        await until(condition, every=0.002)


MakePool = Callable[..., Pool]


def statuses(outcomes: Sequence[Outcome]) -> list[WindowStatus]:
    return [outcome.status for outcome in outcomes]
