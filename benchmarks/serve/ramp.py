"""Raises the number of streams until the budget is exceeded."""

from collections.abc import Callable
from typing import TypeVar

_Step = TypeVar("_Step")


def largest_held(
    attempt: Callable[[int], _Step],
    holds: Callable[[_Step], bool],
    *,
    start: int,
    limit: int,
    resolution: float,
    tries: int = 2,
) -> tuple[int, list[_Step]]:
    """Doubles until a step does not hold, then halves the interval.

    Args:
        attempt: runs a number of streams.
        holds: returns whether a step was within the budget.
        start: number of streams of the first step.
        limit: largest number of streams.
        resolution: ends when the smallest number known to fail is at most this share above the
            largest known to hold.
        tries: a number fails when this many steps in a row do, since a pause of the machine tells
            nothing about the streams.

    Returns:
        The largest number that held, 0 if none did, and every step in the order of running.
    """
    steps: list[_Step] = []
    held, broken = 0, None
    streams = min(start, limit)
    while True:
        for _ in range(tries):
            steps.append(attempt(streams))
            if holds(steps[-1]):
                held = streams
                break
        else:
            broken = streams
        if broken is None:
            if held >= limit:
                break
            streams = min(2 * held, limit)
            continue
        if broken - held <= max(1, int(resolution * held)):
            break
        streams = (held + broken) // 2
    return held, steps
