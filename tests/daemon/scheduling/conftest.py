import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.daemon.scheduling.harness import SchedulerHarness


@pytest.fixture
async def make_harness() -> AsyncIterator[Any]:
    async with contextlib.AsyncExitStack() as stack:

        def make(**options: Any) -> SchedulerHarness:
            made = SchedulerHarness(**options)
            stack.push_async_callback(made.scheduler.stop)
            stack.callback(made.detector.gate.set)
            return made

        yield make
