import asyncio
import functools
import operator
import time
from typing import Any

import pytest

from dfd.daemon.scheduling.batching import Kind
from dfd.streaming.types import WindowStatus


async def test_scores_and_times(make_harness: Any) -> None:
    harness = make_harness()
    outcome = await harness.submit()
    assert outcome.status is WindowStatus.SCORED
    assert outcome.spoof_llr == pytest.approx(3.0)
    assert outcome.batch_size == 1
    assert outcome.queue_seconds >= 0.0
    assert outcome.compute_seconds > 0.0
    assert harness.metrics.value("dfd_batch_size_count") == 1
    assert harness.metrics.value("dfd_real_time_factor") > 0.0


async def test_windows_of_several_streams_share_a_pass(make_harness: Any) -> None:
    harness = make_harness(max_queue_delay_seconds=5.0)
    futures = [harness.submit(10 + lane, lane=lane) for lane in range(8)]
    outcomes = await asyncio.gather(*futures)
    assert harness.detector.batches == [[10, 11, 12, 13, 14, 15, 16, 17]]
    assert {outcome.batch_size for outcome in outcomes} == {8}


async def test_an_incomplete_batch_waits_a_limited_time(make_harness: Any) -> None:
    harness = make_harness(max_queue_delay_seconds=0.05)
    outcomes = await asyncio.gather(harness.submit(10, lane=0), harness.submit(11, lane=1))
    assert harness.detector.batches == [[10, 11]]
    assert outcomes[0].queue_seconds >= 0.04


async def test_a_batch_does_not_wait_if_every_stream_has_a_window_in_it(make_harness: Any) -> None:
    harness = make_harness(max_queue_delay_seconds=30.0)
    for lane in harness.lanes[2:]:
        harness.scheduler.close_lane(lane)
    async with asyncio.timeout(20):
        await asyncio.gather(harness.submit(10, lane=0), harness.submit(11, lane=1))
    assert harness.detector.batches == [[10, 11]]


async def test_a_batch_does_not_wait_for_an_ended_stream(make_harness: Any) -> None:
    harness = make_harness(max_queue_delay_seconds=30.0)
    future = harness.submit(10, lane=0)
    for lane in harness.lanes[1:]:
        harness.scheduler.close_lane(lane)
    async with asyncio.timeout(20):
        await future


async def test_the_window_due_first_is_scored_first(make_harness: Any) -> None:
    harness = make_harness(batch_buckets=(1, 2))
    first = await harness.hold()
    dues = {10: 9.0, 11: 3.0, 12: 7.0, 13: 1.0, 14: 5.0}
    futures = [harness.submit(length, due=due) for length, due in dues.items()]
    harness.detector.gate.set()
    await asyncio.gather(first, *futures)
    assert harness.detector.batches == [[1], [13, 11], [14, 12], [10]]


async def test_a_live_window_past_its_due_time_is_dropped_before_the_pass(
    make_harness: Any,
) -> None:
    harness = make_harness()
    first = await harness.hold()
    late, fast, good = (
        harness.submit(10, due=0.02),
        harness.submit(11, due=0.02, kind=Kind.PATIENT),
        harness.submit(12),
    )
    await asyncio.sleep(0.1)  # both deadlines pass
    harness.detector.gate.set()
    outcomes = await asyncio.gather(late, fast, good)
    await first
    assert [outcome.status for outcome in outcomes] == [
        WindowStatus.SHED,
        WindowStatus.SCORED,
        WindowStatus.SCORED,
    ]
    assert outcomes[0].queue_seconds >= 0.1
    assert 10 not in functools.reduce(operator.iadd, harness.detector.batches, [])


async def test_a_full_queue_sheds_live_windows(make_harness: Any) -> None:
    harness = make_harness(queue_limit=2)
    first = await harness.hold()
    futures = [
        harness.submit(10),
        harness.submit(11),
        harness.submit(12),
        harness.submit(13, kind=Kind.PATIENT),
    ]
    assert futures[2].result().status is WindowStatus.SHED
    harness.detector.gate.set()
    await asyncio.gather(first, *futures)
    assert futures[3].result().status is WindowStatus.SCORED


async def test_a_closed_stream_is_never_run(make_harness: Any) -> None:
    harness = make_harness()
    first = await harness.hold()
    gone, stays = harness.submit(10, lane=0), harness.submit(11, lane=1)
    harness.scheduler.close_lane(harness.lanes[0])
    assert gone.result().status is WindowStatus.SHED
    assert harness.lanes[0].tasks == set()
    assert harness.metrics.value("dfd_queue_length") == 1
    harness.scheduler.close_lane(harness.lanes[7])  # its window is being scored
    assert first.result().status is WindowStatus.SHED
    harness.detector.gate.set()
    assert (await stays).status is WindowStatus.SCORED
    assert harness.detector.batches == [[1], [11]]


async def test_closing_resolves_all_waiting_windows(make_harness: Any) -> None:
    harness = make_harness()
    first = await harness.hold()
    waits = harness.submit(10)
    await harness.scheduler.stop()
    assert first.result().status is WindowStatus.SHED
    assert waits.result().status is WindowStatus.SHED


async def test_a_burst_is_worked_off_quickly(make_harness: Any) -> None:
    harness = make_harness()
    started = time.monotonic()
    outcomes = await asyncio.gather(*(harness.submit(lane=at % 8) for at in range(2000)))
    assert all(outcome.status is WindowStatus.SCORED for outcome in outcomes)
    assert time.monotonic() - started < 30
    assert max(outcome.batch_size for outcome in outcomes) == 8
