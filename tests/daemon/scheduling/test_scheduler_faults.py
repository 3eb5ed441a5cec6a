import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from dfd.streaming.types import Samples, WindowStatus
from tests.daemon.harness import POISON


async def test_a_poisonous_window_fails_alone(make_harness: Any) -> None:
    harness = make_harness(max_queue_delay_seconds=1.0)
    poison = np.full(20, POISON, np.float32)
    futures = [harness.submit(10 + lane, lane=lane) for lane in range(7)]
    futures.append(harness.submit(samples=poison, lane=7))
    outcomes = await asyncio.gather(*futures)
    assert [o.status for o in outcomes] == [WindowStatus.SCORED] * 7 + [WindowStatus.FAILED]
    assert {round(o.spoof_llr, 5) for o in outcomes[:7]} == {3.0}
    assert harness.metrics.value("dfd_batch_failures_total") == 2
    assert harness.metrics.value("dfd_scheduler_restarts_total") == 0
    assert (await harness.submit()).status is WindowStatus.SCORED


async def test_a_transient_error_is_survived(make_harness: Any) -> None:
    harness = make_harness()
    faults = [RuntimeError("once")]

    def fail_once(_: Samples) -> None:
        if faults:
            raise faults.pop()

    harness.detector.before = fail_once
    assert (await harness.submit()).status is WindowStatus.SCORED


async def test_a_score_that_is_not_a_number_fails_its_window(make_harness: Any) -> None:
    harness = make_harness(max_queue_delay_seconds=5.0)
    futures = [harness.submit(10 + lane, lane=lane) for lane in range(7)]
    futures.append(harness.submit(samples=np.full(20, np.nan, np.float32), lane=7))
    outcomes = await asyncio.gather(*futures)
    assert [o.status for o in outcomes] == [WindowStatus.SCORED] * 7 + [WindowStatus.FAILED]


async def test_too_few_scores_fail_the_batch(make_harness: Any) -> None:
    harness = make_harness()
    harness.detector.score = lambda windows, lengths: np.zeros(0, np.float32)
    assert (await harness.submit()).status is WindowStatus.FAILED


async def test_the_worker_is_restarted(make_harness: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = make_harness()
    first = await harness.hold()
    faults = [ZeroDivisionError("a bug")]
    pop = harness.scheduler._queue.pop

    def pop_or_die() -> Any:
        task = pop()
        if faults and harness.scheduler._running:
            raise faults.pop()
        return task

    futures = [harness.submit(10 + at) for at in range(4)]
    monkeypatch.setattr(harness.scheduler._queue, "pop", pop_or_die)
    harness.detector.gate.set()
    async with asyncio.timeout(20):
        await first
        outcomes = await asyncio.gather(*futures[:1], *futures[2:])
    assert outcomes[0].status is WindowStatus.FAILED
    assert outcomes[1].status is WindowStatus.SCORED
    assert harness.metrics.value("dfd_scheduler_restarts_total") == 1
    assert (await harness.submit()).status is WindowStatus.SCORED


async def test_a_dead_device_thread_is_replaced(make_harness: Any) -> None:
    harness = make_harness()
    assert (await harness.submit()).status is WindowStatus.SCORED
    harness.scheduler._passes._device.close()
    assert harness.scheduler._passes._device.join(10)
    assert (await harness.submit()).status is WindowStatus.SCORED
    assert harness.metrics.value("dfd_scheduler_restarts_total") == 1


async def test_a_hanging_pass_is_abandoned(make_harness: Any) -> None:
    harness = make_harness(batch_timeout_seconds=0.2)
    hang = threading.Event()

    def hang_once(_: Samples) -> None:
        if not hang.is_set():
            hang.wait(60)

    harness.detector.before = hang_once
    stuck = harness.submit(10)
    assert (await stuck).status is WindowStatus.FAILED
    harness.detector.before = None
    assert (await harness.submit(11)).status is WindowStatus.SCORED
    assert harness.metrics.value("dfd_scheduler_restarts_total") == 1
    hang.set()
