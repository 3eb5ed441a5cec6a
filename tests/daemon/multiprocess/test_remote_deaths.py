"""Windows whose instance or worker dies: they are run elsewhere, shed, or fail alone."""

import asyncio

from dfd.daemon.scheduling.batching import Kind
from dfd.streaming.types import WindowStatus
from tests.daemon.multiprocess.pool import MakePool, N, statuses

SCORED, SHED, FAILED = WindowStatus.SCORED, WindowStatus.SHED, WindowStatus.FAILED


async def test_windows_of_a_dead_instance_go_to_another(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.add(0, closed=True)
    futures = [pool.submit(10 + at) for at in range(3)]
    other = await pool.add(1)
    await pool.kill(0)
    assert statuses(await asyncio.gather(*futures)) == [SCORED] * 3
    assert sorted(other.lengths) == [10, 11, 12]
    assert pool.counts == [1, 2, 1]
    assert (pool.shared.load(0), pool.shared.load(1)) == (0, 0)


async def test_only_a_window_alone_in_a_dying_instance_fails(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.add(0, closed=True)
    suspects = [pool.submit(10 + at, lane=at) for at in range(3)]
    await pool.kill(0)
    await pool.add(1, closed=True)
    fresh = pool.submit(13)
    assert pool.shared.load(1) == 1
    await pool.kill(1)
    assert (await suspects[0]).status is FAILED
    assert not any(one.done() for one in (*suspects[1:], fresh))
    instance = await pool.add(0)
    assert statuses(await asyncio.gather(*suspects[1:], fresh)) == [SCORED] * 3
    assert instance.lengths == [11, 12, 13]
    assert all(sum(length < N for length in batch) == 1 for batch in instance.detector.batches)
    assert (await pool.submit(14)).status is SCORED


async def test_a_suspect_window_is_tried_alone(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.add(0, closed=True)
    busy = await pool.add(1, closed=True)
    suspect, other = pool.submit(10), pool.submit(11, lane=1)
    await pool.kill(0)
    assert pool.shared.load(1) == 1
    busy.detector.gate.set()
    assert statuses(await asyncio.gather(suspect, other)) == [SCORED] * 2
    assert busy.lengths == [11, 10]


async def test_windows_wait_while_there_is_no_instance(make_pool: MakePool) -> None:
    pool = make_pool()
    before = pool.submit(10)
    await pool.add(0, closed=True)
    during = pool.submit(11)
    await pool.kill(0)
    after = pool.submit(12)
    await pool.until(lambda: pool.counts == [1, 0])
    await pool.add(0)
    assert statuses(await asyncio.gather(before, during, after)) == [SCORED] * 3
    assert pool.counts == [1, 0, 1]


async def test_live_windows_are_shed_when_no_instance_comes_in_time(make_pool: MakePool) -> None:
    pool = make_pool()
    instance = await pool.add(0, closed=True)
    flying = pool.submit(10, due=0.05)
    await pool.until(lambda: bool(instance.connection))
    await pool.kill(0)
    live = pool.submit(11, due=0.05)
    patient = pool.submit(12, due=0.05, kind=Kind.PATIENT)
    assert statuses([await flying, await live]) == [SHED, SHED]
    assert not patient.done()
    after = await pool.add(0)
    assert (await patient).status is SCORED
    assert after.lengths == [12]


async def test_an_instance_is_replaced_under_its_number(make_pool: MakePool) -> None:
    pool = make_pool()
    old = await pool.add(0, closed=True)
    future = pool.submit(10)
    new = await pool.add(0)
    assert (await future).status is SCORED
    assert new.lengths == [10]
    assert pool.counts == [1, 1]
    old.detector.gate.set()
    await old.scheduler.stop()


async def test_an_instance_forgets_a_lost_worker(make_pool: MakePool) -> None:
    pool = make_pool()
    instance = await pool.add(closed=True, batch_buckets=(1,))
    futures = [pool.submit(10 + at) for at in range(3)]
    await pool.until(
        lambda: bool(instance.scheduler._lanes == 4 and len(instance.scheduler._queue))
    )
    pool.remote.stop()
    assert statuses([future.result() for future in futures]) == [SHED] * 3
    await pool.until(lambda: instance.scheduler._lanes == 0)
    instance.detector.gate.set()
    assert instance.lengths in ([], [10])
