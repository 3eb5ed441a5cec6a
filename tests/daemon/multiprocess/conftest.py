import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.multiprocess.pool import MakePool, Pool
from tests.daemon.multiprocess.process import SupervisorProcess

Start = Callable[..., SupervisorProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts fronts that end with the test in any case."""
    with contextlib.ExitStack() as stack:

        def begin(**options: Any) -> SupervisorProcess:
            daemon = SupervisorProcess(tmp_path, **options)

            def end() -> None:
                daemon.gate.unlink(missing_ok=True)
                if daemon.process.poll() is None:
                    daemon.end(signal.SIGTERM)

            stack.callback(end)
            assert daemon.ready, "".join(daemon.log)
            return daemon

        yield begin


@pytest.fixture
async def make_pool() -> AsyncIterator[MakePool]:
    made: list[Pool] = []

    def make(slots: int = 16, queue_limit: int = 100, instances: int = 2) -> Pool:
        made.append(Pool(slots, queue_limit, instances))
        return made[-1]

    yield make
    for one in made:
        one.remote.stop()
        for number in list(one.instances):
            await one.kill(number)
        os.close(one.descriptor)
