"""The metrics of all processes: asked for, waited for a while, and kept of those that are gone."""

import asyncio
import itertools
from collections.abc import Callable, Iterable

from dfd.daemon.metrics import Metrics
from dfd.daemon.multiprocess.control import Figures, Report
from dfd.daemon.multiprocess.merge import Families, lasting, merge, snapshot
from dfd.daemon.multiprocess.process import Process

_SECONDS = 2.0


class Gatherer:
    """Belongs to one event loop.

    Args:
        metrics: the supervisor's own.
        processes: gives those that run.
    """

    def __init__(self, metrics: Metrics, processes: Callable[[], Iterable[Process]]) -> None:
        self._metrics = metrics
        self._processes = processes
        self._loop = asyncio.get_running_loop()
        self._retired: Families = []
        self._waits: dict[int, asyncio.Future[None]] = {}
        self._numbers = itertools.count()

    async def figures(self) -> Families:
        """Returns the metrics of all processes as those of one daemon."""
        asked = [process for process in self._processes() if process.end is None]
        numbers = []
        for process in asked:
            numbers.append(number := next(self._numbers))
            self._waits[number] = self._loop.create_future()
            process.control.send(Report(number))
        if numbers:
            await asyncio.wait([self._waits[n] for n in numbers], timeout=_SECONDS)
        for number in numbers:
            del self._waits[number]
        parts = [process.figures for process in asked]
        return merge([snapshot(self._metrics.registry), self._retired, *parts])

    def figures_for_page(self) -> Families:
        """Returns the same to the page's thread."""
        gathering = asyncio.run_coroutine_threadsafe(self.figures(), self._loop)
        return gathering.result(2 * _SECONDS)

    def answered(self, process: Process, message: Figures) -> None:
        """Handles the figures of a process."""
        process.figures = message.families
        wait = self._waits.get(message.number)
        if wait is not None and not wait.done():
            wait.set_result(None)

    def retire(self, process: Process) -> None:
        """Keeps what a process counted that is gone, or counters would go back."""
        self._retired = merge([self._retired, lasting(process.figures)])
