import asyncio

import pytest

from dfd.daemon.endpoint.uploads import Uploads
from tests.waiting import turns


async def enter(uploads: Uploads, size: int, held: asyncio.Event, done: asyncio.Event) -> None:
    async with uploads.room(size):
        held.set()
        await done.wait()


async def test_uploads_are_admitted_in_order() -> None:
    uploads, order = Uploads(10), []
    one, done = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(enter(uploads, 6, one, done))
    await one.wait()

    async def later(name: str, size: int) -> None:
        async with uploads.room(size):
            order.append(name)

    waiting = [asyncio.create_task(later("large", 6)), asyncio.create_task(later("small", 1))]
    await turns()
    assert order == []  # the small one would fit, but waits for its turn
    done.set()
    await asyncio.gather(first, *waiting)
    assert order == ["large", "small"]


async def test_unneeded_memory_goes_to_the_next_upload_at_once() -> None:
    uploads = Uploads(10)
    async with uploads.room(10) as shrink:
        shrink(4)
        async with asyncio.timeout(5), uploads.room(6):
            pass
        shrink(9)  # a reservation never grows
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), uploads.room(7):
                pass
    async with asyncio.timeout(5), uploads.room(10):
        pass


async def test_giving_up_waiting_lets_the_next_upload_pass() -> None:
    uploads = Uploads(10)
    async with uploads.room(5):
        large = asyncio.create_task(enter(uploads, 10, asyncio.Event(), asyncio.Event()))
        await turns()
        small = asyncio.create_task(enter(uploads, 5, held := asyncio.Event(), asyncio.Event()))
        await turns()
        assert not held.is_set()
        large.cancel()
        async with asyncio.timeout(5):
            await held.wait()
        small.cancel()
        await asyncio.gather(large, small, return_exceptions=True)
    async with asyncio.timeout(5), uploads.room(10):
        pass
