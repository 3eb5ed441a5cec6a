import asyncio
import contextlib
import functools
import operator
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from dfd.daemon.metrics import Metrics
from dfd.daemon.scheduling.batching import Kind, Lane, Outcome, SchedulerOptions
from dfd.daemon.scheduling.scheduler import Scheduler
from dfd.streaming.types import Samples, WindowStatus
from tests.daemon.harness import POISON, FakeDetector, make_spec

N = 64


class Bench:
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
        while self.metrics.value("dfd_queue_length"):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        return first


@pytest.fixture
async def bench() -> AsyncIterator[Any]:
    async with contextlib.AsyncExitStack() as stack:

        def make(**options: Any) -> Bench:
            made = Bench(**options)
            stack.push_async_callback(made.scheduler.stop)
            stack.callback(made.detector.gate.set)
            return made

        yield make


async def test_scores_and_times(bench: Any) -> None:
    b = bench()
    outcome = await b.submit()
    assert outcome.status is WindowStatus.SCORED
    assert outcome.spoof_llr == pytest.approx(3.0)
    assert outcome.batch_size == 1
    assert outcome.queue_seconds >= 0.0
    assert outcome.compute_seconds > 0.0
    assert b.metrics.value("dfd_batch_size_count") == 1
    assert b.metrics.value("dfd_real_time_factor") > 0.0


async def test_windows_of_several_streams_share_a_pass(bench: Any) -> None:
    b = bench(max_queue_delay_seconds=5.0)
    futures = [b.submit(10 + lane, lane=lane) for lane in range(8)]
    outcomes = await asyncio.gather(*futures)
    assert b.detector.batches == [[10, 11, 12, 13, 14, 15, 16, 17]]
    assert {outcome.batch_size for outcome in outcomes} == {8}


async def test_an_incomplete_batch_waits_a_limited_time(bench: Any) -> None:
    b = bench(max_queue_delay_seconds=0.05)
    outcomes = await asyncio.gather(b.submit(10, lane=0), b.submit(11, lane=1))
    assert b.detector.batches == [[10, 11]]
    assert outcomes[0].queue_seconds >= 0.04


async def test_a_batch_does_not_wait_if_every_stream_has_a_window_in_it(bench: Any) -> None:
    b = bench(max_queue_delay_seconds=30.0)
    for lane in b.lanes[2:]:
        b.scheduler.close_lane(lane)
    async with asyncio.timeout(20):
        await asyncio.gather(b.submit(10, lane=0), b.submit(11, lane=1))
    assert b.detector.batches == [[10, 11]]


async def test_a_batch_does_not_wait_for_an_ended_stream(bench: Any) -> None:
    b = bench(max_queue_delay_seconds=30.0)
    future = b.submit(10, lane=0)
    for lane in b.lanes[1:]:
        b.scheduler.close_lane(lane)
    async with asyncio.timeout(20):
        await future


async def test_the_earliest_due_goes_first(bench: Any) -> None:
    b = bench(batch_buckets=(1, 2))
    first = await b.hold()
    dues = {10: 9.0, 11: 3.0, 12: 7.0, 13: 1.0, 14: 5.0}
    futures = [b.submit(length, due=due) for length, due in dues.items()]
    b.detector.gate.set()
    await asyncio.gather(first, *futures)
    assert b.detector.batches == [[1], [13, 11], [14, 12], [10]]


async def test_a_live_window_past_its_due_time_is_dropped_before_the_pass(bench: Any) -> None:
    b = bench()
    first = await b.hold()
    late, fast, good = (
        b.submit(10, due=0.02),
        b.submit(11, due=0.02, kind=Kind.PATIENT),
        b.submit(12),
    )
    await asyncio.sleep(0.1)
    b.detector.gate.set()
    outcomes = await asyncio.gather(late, fast, good)
    await first
    assert [outcome.status for outcome in outcomes] == [
        WindowStatus.SHED,
        WindowStatus.SCORED,
        WindowStatus.SCORED,
    ]
    assert outcomes[0].queue_seconds >= 0.1
    assert 10 not in functools.reduce(operator.iadd, b.detector.batches, [])


async def test_a_full_queue_sheds_live_windows(bench: Any) -> None:
    b = bench(queue_limit=2)
    first = await b.hold()
    futures = [b.submit(10), b.submit(11), b.submit(12), b.submit(13, kind=Kind.PATIENT)]
    assert futures[2].result().status is WindowStatus.SHED
    b.detector.gate.set()
    await asyncio.gather(first, *futures)
    assert futures[3].result().status is WindowStatus.SCORED


async def test_a_poisonous_window_fails_alone(bench: Any) -> None:
    b = bench(max_queue_delay_seconds=1.0)
    ill = np.full(20, POISON, np.float32)
    futures = [b.submit(10 + lane, lane=lane) for lane in range(7)]
    futures.append(b.submit(samples=ill, lane=7))
    outcomes = await asyncio.gather(*futures)
    assert [o.status for o in outcomes] == [WindowStatus.SCORED] * 7 + [WindowStatus.FAILED]
    assert {round(o.spoof_llr, 5) for o in outcomes[:7]} == {3.0}
    assert b.metrics.value("dfd_batch_failures_total") == 2
    assert b.metrics.value("dfd_scheduler_restarts_total") == 0
    assert (await b.submit()).status is WindowStatus.SCORED


async def test_a_transient_error_is_survived(bench: Any) -> None:
    b = bench()
    faults = [RuntimeError("once")]

    def fail_once(_: Samples) -> None:
        if faults:
            raise faults.pop()

    b.detector.before = fail_once
    assert (await b.submit()).status is WindowStatus.SCORED


async def test_a_score_that_is_not_a_number_fails_its_window(bench: Any) -> None:
    b = bench(max_queue_delay_seconds=5.0)
    futures = [b.submit(10 + lane, lane=lane) for lane in range(7)]
    futures.append(b.submit(samples=np.full(20, np.nan, np.float32), lane=7))
    outcomes = await asyncio.gather(*futures)
    assert [o.status for o in outcomes] == [WindowStatus.SCORED] * 7 + [WindowStatus.FAILED]


async def test_too_few_scores_fail_the_batch(bench: Any) -> None:
    b = bench()
    b.detector.score = lambda windows, lengths: np.zeros(0, np.float32)
    assert (await b.submit()).status is WindowStatus.FAILED


async def test_the_worker_is_restarted(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    b = bench()
    first = await b.hold()
    faults = [ZeroDivisionError("a bug")]
    pop = b.scheduler._queue.pop

    def pop_or_die() -> Any:
        task = pop()
        if faults and b.scheduler._running:
            raise faults.pop()
        return task

    futures = [b.submit(10 + at) for at in range(4)]
    monkeypatch.setattr(b.scheduler._queue, "pop", pop_or_die)
    b.detector.gate.set()
    async with asyncio.timeout(20):
        await first
        outcomes = await asyncio.gather(*futures[:1], *futures[2:])
    assert outcomes[0].status is WindowStatus.FAILED
    assert outcomes[1].status is WindowStatus.SCORED
    assert b.metrics.value("dfd_scheduler_restarts_total") == 1
    assert (await b.submit()).status is WindowStatus.SCORED


async def test_a_dead_device_thread_is_replaced(bench: Any) -> None:
    b = bench()
    assert (await b.submit()).status is WindowStatus.SCORED
    b.scheduler._passes._device.close()
    assert b.scheduler._passes._device.join(10)
    assert (await b.submit()).status is WindowStatus.SCORED
    assert b.metrics.value("dfd_scheduler_restarts_total") == 1


async def test_a_hanging_pass_is_abandoned(bench: Any) -> None:
    b = bench(batch_timeout_seconds=0.2)
    hang = threading.Event()

    def hang_once(_: Samples) -> None:
        if not hang.is_set():
            hang.wait(60)

    b.detector.before = hang_once
    stuck = b.submit(10)
    assert (await stuck).status is WindowStatus.FAILED
    b.detector.before = None
    assert (await b.submit(11)).status is WindowStatus.SCORED
    assert b.metrics.value("dfd_scheduler_restarts_total") == 1
    hang.set()


async def test_a_closed_stream_is_never_run(bench: Any) -> None:
    b = bench()
    first = await b.hold()
    gone, stays = b.submit(10, lane=0), b.submit(11, lane=1)
    b.scheduler.close_lane(b.lanes[0])
    assert gone.result().status is WindowStatus.SHED
    assert b.lanes[0].tasks == set()
    assert b.metrics.value("dfd_queue_length") == 1
    b.scheduler.close_lane(b.lanes[7])  # its window is being scored
    assert first.result().status is WindowStatus.SHED
    b.detector.gate.set()
    assert (await stays).status is WindowStatus.SCORED
    assert b.detector.batches == [[1], [11]]


async def test_closing_resolves_all_waiting_windows(bench: Any) -> None:
    b = bench()
    first = await b.hold()
    waits = b.submit(10)
    await b.scheduler.stop()
    assert first.result().status is WindowStatus.SHED
    assert waits.result().status is WindowStatus.SHED


async def test_a_burst_is_worked_off_quickly(bench: Any) -> None:
    b = bench()
    started = time.monotonic()
    outcomes = await asyncio.gather(*(b.submit(lane=at % 8) for at in range(2000)))
    assert all(outcome.status is WindowStatus.SCORED for outcome in outcomes)
    assert time.monotonic() - started < 30
    assert max(outcome.batch_size for outcome in outcomes) == 8


async def test_early_windows_go_after_all_others(bench: Any) -> None:
    b = bench(batch_buckets=(1,))
    first = await b.hold()
    futures = [
        b.submit(10, due=1.0, kind=Kind.EARLY, lane=0),
        b.submit(11, due=9.0, lane=1),
        b.submit(12, due=50.0, kind=Kind.PATIENT, lane=2),
        b.submit(13, due=0.5, kind=Kind.EARLY, lane=3),
    ]
    b.detector.gate.set()
    outcomes = await asyncio.gather(first, *futures)
    assert b.detector.batches == [[1], [11], [12], [13], [10]]
    assert all(outcome.status is WindowStatus.SCORED for outcome in outcomes)


async def test_the_next_window_of_a_channel_replaces_a_waiting_early_one(
    bench: Any,
) -> None:
    b = bench()
    first = await b.hold()
    early = b.submit(10, kind=Kind.EARLY)
    other_channel = b.submit(11, kind=Kind.EARLY, channel=1)
    other_stream = b.submit(12, kind=Kind.EARLY, lane=1)
    whole = b.submit(13)
    assert early.result().status is WindowStatus.SHED
    b.detector.gate.set()
    outcomes = await asyncio.gather(first, other_channel, other_stream, whole)
    assert all(outcome.status is WindowStatus.SCORED for outcome in outcomes)
    assert sorted(b.detector.batches[1][:3]) == [11, 12, 13]


async def test_an_early_window_in_a_pass_is_not_dropped(bench: Any) -> None:
    b = bench()
    b.detector.gate.clear()
    early = b.submit(10, kind=Kind.EARLY)
    b.scheduler.close_lane(Lane())  # wakes the worker
    while b.metrics.value("dfd_queue_length"):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    whole = b.submit(11)
    b.detector.gate.set()
    assert [o.status for o in await asyncio.gather(early, whole)] == [WindowStatus.SCORED] * 2


async def test_a_full_queue_sheds_early_windows_first(bench: Any) -> None:
    b = bench(queue_limit=3)
    first = await b.hold()
    early = [b.submit(10 + at, due=9.0 - at, kind=Kind.EARLY, lane=at) for at in range(2)]
    live = [b.submit(20 + at, lane=2 + at) for at in range(2)]
    late_early = b.submit(30, kind=Kind.EARLY, lane=5)
    assert early[1].result().status is WindowStatus.SHED
    assert not early[0].done()
    assert late_early.result().status is WindowStatus.SHED
    b.detector.gate.set()
    outcomes = await asyncio.gather(first, early[0], *live)
    assert all(outcome.status is WindowStatus.SCORED for outcome in outcomes)
    assert b.metrics.value("dfd_queue_length") == 0
