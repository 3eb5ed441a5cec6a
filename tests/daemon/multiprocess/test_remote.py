"""A worker's scheduler and instances in one loop, over real sockets and shared memory."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from dfd.daemon.metrics import Metrics
from dfd.daemon.multiprocess.instance import WorkerConnection
from dfd.daemon.multiprocess.memory import SharedCounts, WindowSlots
from dfd.daemon.multiprocess.remote import RemoteScheduler
from dfd.daemon.scheduling.batching import Kind, Lane, Outcome, SchedulerOptions
from dfd.daemon.scheduling.scheduler import Scheduler
from dfd.streaming.types import Samples, WindowStatus
from tests.daemon.harness import POISON, FakeDetector, make_spec

N = 64
SCORED, SHED, FAILED = WindowStatus.SCORED, WindowStatus.SHED, WindowStatus.FAILED


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


class Bench:
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
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.002)


Make = Callable[..., Bench]


@pytest.fixture
async def bench() -> AsyncIterator[Make]:
    made: list[Bench] = []

    def make(slots: int = 16, queue_limit: int = 100, instances: int = 2) -> Bench:
        made.append(Bench(slots, queue_limit, instances))
        return made[-1]

    yield make
    for one in made:
        one.remote.stop()
        for number in list(one.instances):
            await one.kill(number)
        os.close(one.descriptor)


def statuses(outcomes: Sequence[Outcome]) -> list[WindowStatus]:
    return [outcome.status for outcome in outcomes]


async def test_another_process_scores_windows_the_same(bench: Make) -> None:
    b = bench()
    await b.add()
    outcome = await b.submit()
    assert outcome.status is SCORED
    assert outcome.spoof_llr == pytest.approx(3.0)
    assert outcome.batch_size == 1
    assert outcome.queue_seconds >= 0.0
    assert outcome.compute_seconds > 0.0
    assert b.shared.load(0) == 0


async def test_windows_of_several_streams_share_a_pass(bench: Make) -> None:
    b = bench()
    instance = await b.add(max_queue_delay_seconds=20.0)
    outcomes = await asyncio.gather(*(b.submit(10 + lane, lane=lane) for lane in range(4)))
    assert instance.detector.batches == [[10, 11, 12, 13]]
    assert {outcome.batch_size for outcome in outcomes} == {4}


async def test_a_poisonous_window_fails_alone(bench: Make) -> None:
    b = bench()
    await b.add(max_queue_delay_seconds=20.0)
    ill = np.full(20, POISON, np.float32)
    futures = [b.submit(10 + lane, lane=lane) for lane in range(3)]
    outcomes = await asyncio.gather(*futures, b.submit(samples=ill, lane=3))
    assert statuses(outcomes) == [SCORED] * 3 + [FAILED]
    assert outcomes[3].spoof_llr is None


async def test_windows_beyond_the_slots_wait(bench: Make) -> None:
    b = bench(slots=3)
    instance = await b.add(closed=True)
    futures = [b.submit(10 + at, due=60.0 - at) for at in range(8)]
    assert b.metrics.value("dfd_queue_length") == 5
    assert b.shared.load(0) == 3
    instance.detector.gate.set()
    outcomes = await asyncio.gather(*futures)
    assert statuses(outcomes) == [SCORED] * 8
    assert sorted(instance.lengths) == list(range(10, 18))
    assert set(instance.lengths[:3]) == {10, 11, 12}
    assert instance.lengths[3] == 17  # the window with the earliest due time
    assert b.metrics.value("dfd_queue_length") == 0


async def test_a_full_queue_sheds_live_windows(bench: Make) -> None:
    b = bench(slots=1, queue_limit=1)
    instance = await b.add(closed=True)
    futures = [b.submit(), b.submit(), b.submit(), b.submit(kind=Kind.PATIENT)]
    assert futures[2].result().status is SHED
    instance.detector.gate.set()
    assert statuses(await asyncio.gather(*futures)) == [SCORED, SCORED, SHED, SCORED]


async def test_waiting_early_windows_are_dropped_when_the_next_one_comes(bench: Make) -> None:
    b = bench(slots=1)
    instance = await b.add(closed=True)
    first, early, whole = b.submit(10), b.submit(11, kind=Kind.EARLY), b.submit(12)
    assert early.result().status is SHED
    instance.detector.gate.set()
    assert statuses(await asyncio.gather(first, whole)) == [SCORED] * 2


async def test_windows_go_to_the_least_loaded_instance(bench: Make) -> None:
    b = bench()
    slow, quick = await b.add(0, closed=True), await b.add(1)
    futures = [b.submit(10)]
    for length in range(11, 16):
        futures.append(b.submit(length))
        await futures[-1]
    assert quick.lengths == [11, 12, 13, 14, 15]
    assert (b.shared.load(0), b.shared.load(1)) == (1, 0)
    slow.detector.gate.set()
    assert statuses(await asyncio.gather(*futures)) == [SCORED] * 6
    assert slow.lengths == [10]


async def test_windows_of_a_dead_instance_go_to_another(bench: Make) -> None:
    b = bench()
    await b.add(0, closed=True)
    futures = [b.submit(10 + at) for at in range(3)]
    other = await b.add(1)
    await b.kill(0)
    assert statuses(await asyncio.gather(*futures)) == [SCORED] * 3
    assert sorted(other.lengths) == [10, 11, 12]
    assert b.counts == [1, 2, 1]
    assert (b.shared.load(0), b.shared.load(1)) == (0, 0)


async def test_only_a_window_alone_in_a_dying_instance_fails(bench: Make) -> None:
    b = bench()
    await b.add(0, closed=True)
    suspects = [b.submit(10 + at, lane=at) for at in range(3)]
    await b.kill(0)
    await b.add(1, closed=True)
    fresh = b.submit(13)
    assert b.shared.load(1) == 1
    await b.kill(1)
    assert (await suspects[0]).status is FAILED
    assert not any(one.done() for one in (*suspects[1:], fresh))
    instance = await b.add(0)
    assert statuses(await asyncio.gather(*suspects[1:], fresh)) == [SCORED] * 3
    assert instance.lengths == [11, 12, 13]
    assert all(sum(length < N for length in batch) == 1 for batch in instance.detector.batches)
    assert (await b.submit(14)).status is SCORED


async def test_a_suspect_window_is_tried_alone(bench: Make) -> None:
    b = bench()
    await b.add(0, closed=True)
    busy = await b.add(1, closed=True)
    suspect, other = b.submit(10), b.submit(11, lane=1)
    await b.kill(0)
    assert b.shared.load(1) == 1
    busy.detector.gate.set()
    assert statuses(await asyncio.gather(suspect, other)) == [SCORED] * 2
    assert busy.lengths == [11, 10]


async def test_windows_wait_while_there_is_no_instance(bench: Make) -> None:
    b = bench()
    before = b.submit(10)
    await b.add(0, closed=True)
    during = b.submit(11)
    await b.kill(0)
    after = b.submit(12)
    await b.until(lambda: b.counts == [1, 0])
    await b.add(0)
    assert statuses(await asyncio.gather(before, during, after)) == [SCORED] * 3
    assert b.counts == [1, 0, 1]


async def test_live_windows_are_shed_when_no_instance_comes_in_time(bench: Make) -> None:
    b = bench()
    instance = await b.add(0, closed=True)
    flying = b.submit(10, due=0.05)
    await b.until(lambda: bool(instance.connection))
    await b.kill(0)
    live = b.submit(11, due=0.05)
    patient = b.submit(12, due=0.05, kind=Kind.PATIENT)
    assert statuses([await flying, await live]) == [SHED, SHED]
    assert not patient.done()
    after = await b.add(0)
    assert (await patient).status is SCORED
    assert after.lengths == [12]


async def test_an_instance_is_replaced_under_its_number(bench: Make) -> None:
    b = bench()
    old = await b.add(0, closed=True)
    future = b.submit(10)
    new = await b.add(0)
    assert (await future).status is SCORED
    assert new.lengths == [10]
    assert b.counts == [1, 1]
    old.detector.gate.set()
    await old.scheduler.stop()


async def test_a_closed_stream_is_never_run(bench: Make) -> None:
    b = bench()
    instance = await b.add(closed=True, batch_buckets=(1,))
    first = b.submit(10, lane=3)
    gone, stays = b.submit(11, lane=0), b.submit(12, lane=1)
    b.remote.close_lane(b.lanes[0])
    assert gone.result().status is SHED
    assert b.lanes[0].tasks == set()
    await b.until(lambda: b.shared.load(0) == 2)  # the instance returned its slot
    instance.detector.gate.set()
    assert statuses(await asyncio.gather(first, stays)) == [SCORED] * 2
    assert instance.lengths == [10, 12]


async def test_a_fast_stream_continues(bench: Make) -> None:
    b = bench()
    instance = await b.add(closed=True)
    shed = b.submit(10)
    b.remote.cancel_lane(b.lanes[0])
    assert shed.result().status is SHED
    instance.detector.gate.set()
    assert (await b.submit(11)).status is SCORED


async def test_an_instance_forgets_a_lost_worker(bench: Make) -> None:
    b = bench()
    instance = await b.add(closed=True, batch_buckets=(1,))
    futures = [b.submit(10 + at) for at in range(3)]
    await b.until(lambda: bool(instance.scheduler._lanes == 4 and len(instance.scheduler._queue)))
    b.remote.stop()
    assert statuses([future.result() for future in futures]) == [SHED] * 3
    await b.until(lambda: instance.scheduler._lanes == 0)
    instance.detector.gate.set()
    assert instance.lengths in ([], [10])


async def test_windows_of_an_unknown_lane_are_not_run(bench: Make) -> None:
    b = bench()
    await b.add()
    stranger = type(b.lanes[0])(number=99)  # type: ignore[call-arg]
    assert isinstance(stranger, Lane)
    b.lanes[0] = stranger
    assert (await b.submit()).status is SHED


async def test_closing_resolves_all_waiting_windows(bench: Make) -> None:
    b = bench(slots=1)
    await b.add(closed=True)
    futures = [b.submit(), b.submit()]
    b.remote.stop()
    assert statuses([future.result() for future in futures]) == [SHED] * 2
