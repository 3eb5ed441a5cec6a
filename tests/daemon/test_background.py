import asyncio

import pytest

from dfd.daemon import background
from tests.waiting import turns


async def test_stopping_a_task_waits_for_its_end() -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("ended")

    task = asyncio.create_task(work())
    await turns()
    await background.end(task)
    assert steps == ["ended"]
    await background.end(task)
    await background.end(None)


async def test_its_fault_is_not_lost() -> None:
    async def work() -> None:
        raise ValueError("broken")

    task = asyncio.create_task(work())
    await turns()
    with pytest.raises(ValueError, match="broken"):
        await background.end(task)
