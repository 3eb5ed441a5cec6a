"""A worker's scheduler and instances in one loop, over real sockets and shared memory."""

import asyncio

import numpy as np
import pytest

from dfd.daemon.scheduling.batching import Kind, Lane
from dfd.streaming.types import WindowStatus
from tests.daemon.harness import POISON
from tests.daemon.multiprocess.pool import MakePool, statuses

SCORED, SHED, FAILED = WindowStatus.SCORED, WindowStatus.SHED, WindowStatus.FAILED


async def test_another_process_scores_windows_the_same(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.add()
    outcome = await pool.submit()
    assert outcome.status is SCORED
    assert outcome.spoof_llr == pytest.approx(3.0)
    assert outcome.batch_size == 1
    assert outcome.queue_seconds >= 0.0
    assert outcome.compute_seconds > 0.0
    assert pool.shared.load(0) == 0


async def test_windows_of_several_streams_share_a_pass(make_pool: MakePool) -> None:
    pool = make_pool()
    instance = await pool.add(max_queue_delay_seconds=20.0)
    outcomes = await asyncio.gather(*(pool.submit(10 + lane, lane=lane) for lane in range(4)))
    assert instance.detector.batches == [[10, 11, 12, 13]]
    assert {outcome.batch_size for outcome in outcomes} == {4}


async def test_a_poisonous_window_fails_alone(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.add(max_queue_delay_seconds=20.0)
    poison = np.full(20, POISON, np.float32)
    futures = [pool.submit(10 + lane, lane=lane) for lane in range(3)]
    outcomes = await asyncio.gather(*futures, pool.submit(samples=poison, lane=3))
    assert statuses(outcomes) == [SCORED] * 3 + [FAILED]
    assert outcomes[3].spoof_llr is None


async def test_windows_beyond_the_slots_wait(make_pool: MakePool) -> None:
    pool = make_pool(slots=3)
    instance = await pool.add(closed=True)
    futures = [pool.submit(10 + at, due=60.0 - at) for at in range(8)]
    assert pool.metrics.value("dfd_queue_length") == 5
    assert pool.shared.load(0) == 3
    instance.detector.gate.set()
    outcomes = await asyncio.gather(*futures)
    assert statuses(outcomes) == [SCORED] * 8
    assert sorted(instance.lengths) == list(range(10, 18))
    assert set(instance.lengths[:3]) == {10, 11, 12}
    assert instance.lengths[3] == 17  # the window with the earliest due time
    assert pool.metrics.value("dfd_queue_length") == 0


async def test_a_full_queue_sheds_live_windows(make_pool: MakePool) -> None:
    pool = make_pool(slots=1, queue_limit=1)
    instance = await pool.add(closed=True)
    futures = [pool.submit(), pool.submit(), pool.submit(), pool.submit(kind=Kind.PATIENT)]
    assert futures[2].result().status is SHED
    instance.detector.gate.set()
    assert statuses(await asyncio.gather(*futures)) == [SCORED, SCORED, SHED, SCORED]


async def test_waiting_early_windows_are_dropped_when_the_next_one_comes(
    make_pool: MakePool,
) -> None:
    pool = make_pool(slots=1)
    instance = await pool.add(closed=True)
    first, early, whole = pool.submit(10), pool.submit(11, kind=Kind.EARLY), pool.submit(12)
    assert early.result().status is SHED
    instance.detector.gate.set()
    assert statuses(await asyncio.gather(first, whole)) == [SCORED] * 2


async def test_windows_go_to_the_least_loaded_instance(make_pool: MakePool) -> None:
    pool = make_pool()
    slow, quick = await pool.add(0, closed=True), await pool.add(1)
    futures = [pool.submit(10)]
    for length in range(11, 16):
        futures.append(pool.submit(length))
        await futures[-1]
    assert quick.lengths == [11, 12, 13, 14, 15]
    assert (pool.shared.load(0), pool.shared.load(1)) == (1, 0)
    slow.detector.gate.set()
    assert statuses(await asyncio.gather(*futures)) == [SCORED] * 6
    assert slow.lengths == [10]


async def test_a_closed_stream_is_never_run(make_pool: MakePool) -> None:
    pool = make_pool()
    instance = await pool.add(closed=True, batch_buckets=(1,))
    first = pool.submit(10, lane=3)
    gone, stays = pool.submit(11, lane=0), pool.submit(12, lane=1)
    pool.remote.close_lane(pool.lanes[0])
    assert gone.result().status is SHED
    assert pool.lanes[0].tasks == set()
    await pool.until(lambda: pool.shared.load(0) == 2)  # the instance returned its slot
    instance.detector.gate.set()
    assert statuses(await asyncio.gather(first, stays)) == [SCORED] * 2
    assert instance.lengths == [10, 12]


async def test_a_fast_stream_continues(make_pool: MakePool) -> None:
    pool = make_pool()
    instance = await pool.add(closed=True)
    shed = pool.submit(10)
    pool.remote.cancel_lane(pool.lanes[0])
    assert shed.result().status is SHED
    instance.detector.gate.set()
    assert (await pool.submit(11)).status is SCORED


async def test_windows_of_an_unknown_lane_are_not_run(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.add()
    stranger = type(pool.lanes[0])(number=99)  # type: ignore[call-arg]
    assert isinstance(stranger, Lane)
    pool.lanes[0] = stranger
    assert (await pool.submit()).status is SHED


async def test_closing_resolves_all_waiting_windows(make_pool: MakePool) -> None:
    pool = make_pool(slots=1)
    await pool.add(closed=True)
    futures = [pool.submit(), pool.submit()]
    pool.remote.stop()
    assert statuses([future.result() for future in futures]) == [SHED] * 2
