import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.daemon.scheduling.bench import Bench


@pytest.fixture
async def bench() -> AsyncIterator[Any]:
    async with contextlib.AsyncExitStack() as stack:

        def make(**options: Any) -> Bench:
            made = Bench(**options)
            stack.push_async_callback(made.scheduler.stop)
            stack.callback(made.detector.gate.set)
            return made

        yield make
