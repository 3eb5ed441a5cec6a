import asyncio
import math

import numpy as np

from dfd.daemon.scheduling.batching import DueQueue, Kind, Lane, Outcome, Task


async def test_the_queue_orders_counts_and_forgets() -> None:
    loop = asyncio.get_running_loop()
    queue, one, other = DueQueue(), Lane(), Lane()

    def task(lane: Lane, due_at: float) -> Task:
        made = Task(lane, np.zeros(4, np.float32), 0.0, due_at, Kind.LIVE, 0, loop.create_future())
        queue.push(made)
        return made

    late, soon, later, first = task(one, 3.0), task(one, 2.0), task(other, 4.0), task(one, 1.0)
    tie = task(other, 2.0)
    assert (len(queue), queue.lanes_waiting) == (5, 2)
    queue.discard(late)
    queue.discard(late)
    assert late.samples is None
    assert (len(queue), queue.lanes_waiting) == (4, 2)
    assert [queue.pop(), queue.pop(), queue.pop()] == [first, soon, tie]
    assert (len(queue), queue.lanes_waiting) == (1, 1)
    queue.discard(first)  # it is already running
    assert queue.pop() is later
    assert queue.pop() is None
    assert (len(queue), queue.lanes_waiting) == (0, 0)


def waiting(lane: Lane, due_at: float, kind: Kind = Kind.LIVE) -> Task:
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    return Task(lane, np.zeros(1, np.float32), 0.0, due_at, kind, 0, future)


async def test_the_stream_that_lost_least_gives_way_first() -> None:
    queue = DueQueue()
    lanes = [Lane(judged=8, shed=8), Lane(judged=8, shed=4), Lane(judged=8, shed=0)]
    for lane in lanes:
        for due in (2.0, 4.0):
            queue.push(waiting(lane, due))
    # six windows that take a second each, three of them due after two seconds
    assert [task.lane for task in queue.pop_hopeless(0.0, 1.0)] == [lanes[2], lanes[2]]
    assert len(queue) == 4
    assert queue.pop_hopeless(0.0, 1.0) == []


async def test_nothing_is_shed_that_can_be_in_time() -> None:
    queue = DueQueue()
    for place in range(1, 9):
        queue.push(waiting(Lane(), float(place)))
    assert queue.pop_hopeless(0.0, 1.0) == []
    assert len(queue.pop_hopeless(0.5, 1.0)) == 1


async def test_a_patient_window_at_the_head_does_not_make_room_for_larger_passes() -> None:
    queue = DueQueue()
    queue.push(waiting(Lane(), 1.0, Kind.PATIENT))
    assert queue.allowance == math.inf
    live = waiting(Lane(), 3.0)
    queue.push(live)
    assert queue.allowance == 3.0
    queue.discard(live)
    assert queue.allowance == math.inf


async def test_patient_windows_are_not_shed_and_one_is_always_left() -> None:
    queue = DueQueue()
    for _ in range(3):
        queue.push(waiting(Lane(), 1.0, Kind.PATIENT))
    assert queue.pop_hopeless(9.0, 1.0) == []
    queue = DueQueue()
    for _ in range(3):
        queue.push(waiting(Lane(), 1.0))
    assert len(queue.pop_hopeless(9.0, 1.0)) == 2
