import asyncio

from dfd.daemon.rpc.timers import Timers


async def test_a_timeout_is_reported_once() -> None:
    timers, loop, told = Timers(), asyncio.get_running_loop(), asyncio.Event()
    began: list[float | None] = [None]
    timers.when_overdue(lambda: began[0], 0.02, told.set)
    await asyncio.sleep(0.05)  # twice the time
    assert not told.is_set()  # it was not running
    began[0] = start = loop.time()
    async with asyncio.timeout(5):
        await told.wait()
    assert loop.time() - start >= 0.02


async def test_a_restarted_timer_has_its_full_time() -> None:
    timers, loop = Timers(), asyncio.get_running_loop()
    now = loop.time()
    assert timers.left(lambda: None, 3.0) == 3.0
    assert 1.5 < timers.left(lambda: now - 1.0, 3.0) <= 2.0


async def test_nothing_is_called_after_closing() -> None:
    timers, told = Timers(), asyncio.Event()
    timers.after(0.01, told.set)
    timers.when_overdue(lambda: 0.0, 0.01, lambda: None)
    timers.cancel()
    await asyncio.sleep(0.03)  # both would have been called
    assert not told.is_set()
