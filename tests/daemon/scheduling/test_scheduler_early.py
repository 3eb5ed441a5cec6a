import asyncio
from typing import Any

from dfd.daemon.scheduling.batching import Kind, Lane
from dfd.streaming.types import WindowStatus
from tests.waiting import until


async def test_early_windows_go_after_all_others(make_harness: Any) -> None:
    harness = make_harness(batch_buckets=(1,))
    first = await harness.hold()
    futures = [
        harness.submit(10, due=1.0, kind=Kind.EARLY, lane=0),
        harness.submit(11, due=9.0, lane=1),
        harness.submit(12, due=50.0, kind=Kind.PATIENT, lane=2),
        harness.submit(13, due=0.5, kind=Kind.EARLY, lane=3),
    ]
    harness.detector.gate.set()
    outcomes = await asyncio.gather(first, *futures)
    assert harness.detector.batches == [[1], [11], [12], [13], [10]]
    assert all(outcome.status is WindowStatus.SCORED for outcome in outcomes)


async def test_the_next_window_of_a_channel_replaces_a_waiting_early_one(
    make_harness: Any,
) -> None:
    harness = make_harness()
    first = await harness.hold()
    early = harness.submit(10, kind=Kind.EARLY)
    other_channel = harness.submit(11, kind=Kind.EARLY, channel=1)
    other_stream = harness.submit(12, kind=Kind.EARLY, lane=1)
    whole = harness.submit(13)
    assert early.result().status is WindowStatus.SHED
    harness.detector.gate.set()
    outcomes = await asyncio.gather(first, other_channel, other_stream, whole)
    assert all(outcome.status is WindowStatus.SCORED for outcome in outcomes)
    assert sorted(harness.detector.batches[1][:3]) == [11, 12, 13]


async def test_an_early_window_in_a_pass_is_not_dropped(make_harness: Any) -> None:
    harness = make_harness()
    harness.detector.gate.clear()
    early = harness.submit(10, kind=Kind.EARLY)
    harness.scheduler.close_lane(Lane())  # wakes the worker
    await until(lambda: not harness.metrics.value("dfd_queue_length"))
    whole = harness.submit(11)
    harness.detector.gate.set()
    assert [o.status for o in await asyncio.gather(early, whole)] == [WindowStatus.SCORED] * 2


async def test_a_full_queue_sheds_early_windows_first(make_harness: Any) -> None:
    harness = make_harness(queue_limit=3)
    first = await harness.hold()
    early = [harness.submit(10 + at, due=9.0 - at, kind=Kind.EARLY, lane=at) for at in range(2)]
    live = [harness.submit(20 + at, lane=2 + at) for at in range(2)]
    late_early = harness.submit(30, kind=Kind.EARLY, lane=5)
    assert early[1].result().status is WindowStatus.SHED
    assert not early[0].done()
    assert late_early.result().status is WindowStatus.SHED
    harness.detector.gate.set()
    outcomes = await asyncio.gather(first, early[0], *live)
    assert all(outcome.status is WindowStatus.SCORED for outcome in outcomes)
    assert harness.metrics.value("dfd_queue_length") == 0
