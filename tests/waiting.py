"""Waits for what nothing announces, and the pace of live audio."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def _nothing() -> str:
    return "it never happened"


def wait_until(
    condition: Callable[[], object],
    seconds: float = 30.0,
    told: Callable[[], str] = _nothing,
    every: float = 0.01,
) -> None:
    """Waits for a condition, with a long limit for slow machines.

    Args:
        condition: looked at again and again; may raise what ends the test.
        seconds: the limit.
        told: what the failure says, such as the end of a log.
        every: seconds between two looks.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, told()
        time.sleep(every)  # nothing announces the condition


async def until(
    condition: Callable[[], object], seconds: float = 30.0, every: float = 0.005
) -> None:
    """Waits for a condition while the event loop runs; otherwise like `wait_until`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, _nothing()
        await asyncio.sleep(every)  # nothing announces the condition


async def turns(count: int = 1) -> None:
    """Lets the event loop run what is ready."""
    for _ in range(count):
        await asyncio.sleep(0)  # no time passes


async def paced(items: Iterable[T], seconds: float) -> AsyncIterator[T]:
    """Yields items as live audio arrives: one each so many seconds, whatever sending one takes."""
    began = time.monotonic()
    for number, item in enumerate(items, 1):
        yield item
        # live audio takes its time
        await asyncio.sleep(max(0.0, began + number * seconds - time.monotonic()))
