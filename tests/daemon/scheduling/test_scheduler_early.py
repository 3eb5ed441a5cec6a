import asyncio
from typing import Any

from dfd.daemon.scheduling.batching import Kind, Lane
from dfd.streaming.types import WindowStatus


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
