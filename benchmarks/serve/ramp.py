"""How the number of streams is raised until the budget breaks."""

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
    """Doubles until a step breaks, then halves the space between.

    Args:
        attempt: runs so many streams.
        holds: whether a step was within the budget.
        start: streams of the first step.
        limit: no step has more.
        resolution: ends when the first number known to break is at most this part above the
            largest known to hold.
        tries: a number breaks when so many steps in a row do: a pause of the machine says
            nothing of the streams.

    Returns:
        The largest number that held, 0 where none did, and every step in the order it ran.
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
