"""Which streams lose windows if there are more than can be scored."""

import asyncio
import random
from collections import defaultdict, deque

import numpy as np
import pytest

from dfd.daemon.scheduling.batching import DueQueue, Kind, Lane, Outcome, Task

# a device that takes 50 ms for each window, with passes of eight: enough for 40 streams
WINDOW, PASS, HOP, DEADLINE = 0.05, 8, 2.0, 3.0
HELD = 40
AUDIO = np.zeros(1, np.float32)
# the time in which losses are compared: 8 windows of each stream
SPAN = 16.0


class Run:
    """Live streams with hops that begin at any time, on a device that is simulated.

    Args:
        begins: when each stream begins.
    """

    def __init__(self, begins: list[float], seconds: float) -> None:
        loop, queue, now = asyncio.get_running_loop(), DueQueue(), 0.0
        lanes = [Lane() for _ in begins]
        due = deque(
            sorted(
                (begin + HOP * number, lane)
                for lane, begin in enumerate(begins)
                for number in range(1 + int((seconds - begin) / HOP))
            )
        )
        # when each stream's windows arrived, and whether they were scored in time
        self.streams: defaultdict[int, list[tuple[float, bool]]] = defaultdict(list)
        whose = {lane: number for number, lane in enumerate(lanes)}

        def end(task: Task, scored: bool) -> None:
            task.lane.note(shed=not scored)
            self.streams[whose[task.lane]].append((task.arrived_at, scored))

        while due or len(queue):
            while due and due[0][0] <= now:
                at, number = due.popleft()
                future: asyncio.Future[Outcome] = loop.create_future()
                queue.push(Task(lanes[number], AUDIO, at, at + DEADLINE, Kind.LIVE, 0, future))
            for task in queue.pop_hopeless(now + (PASS - 1) * WINDOW, WINDOW):
                end(task, scored=False)
            batch = [one for _ in range(PASS) if (one := queue.pop()) is not None]
            for task in batch:
                end(task, scored=not task.late(now))
            now = now + WINDOW * len(batch) if batch else due[0][0]

    def lost(self, since: float) -> list[int]:
        """Returns how many of its eight windows from then on each stream lost."""
        return [
            sum(not scored for at, scored in self.streams[stream] if since <= at < since + SPAN)
            for stream in sorted(self.streams)
        ]


@pytest.mark.parametrize("within", [0.0, HOP])
@pytest.mark.parametrize("times", [1.1, 1.5, 2.0, 5.0])
async def test_no_stream_loses_more_than_its_share(times: float, within: float) -> None:
    rng = random.Random(1)
    streams = round(times * HELD)
    run = Run([rng.uniform(0.0, within) for _ in range(streams)], 120.0)
    for since in np.arange(10.0, 100.0, 5.0):
        lost = run.lost(since)
        assert sum(lost) > 0
        assert max(lost) <= sum(lost) / streams + 1.0, since


async def test_a_stream_that_ran_well_for_long_loses_as_much_as_a_new_one() -> None:
    rng = random.Random(2)
    begins = [start + rng.uniform(0.0, HOP) for start in [0.0] * HELD + [600.0] * HELD]
    run = Run(begins, 700.0)
    assert sum(run.lost(500.0)) == 0
    # at first one or two windows of eight more, since new streams would lose one of their first two
    for since, more in ((600.0, 2), (624.0, 1), (650.0, 0)):
        lost = run.lost(since)
        assert max(lost) <= 8 // 2 + more
        assert min(lost) >= 8 // 2 - more
