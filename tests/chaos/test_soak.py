"""A short soak: the daemon holds the same before and after streams that die in every way.

By hand, for long: python -m tests.chaos.soak --minutes 30 --streams 100
"""

import collections

import pytest

from tests.chaos.held import Course, Held
from tests.chaos.soak import ENDS, soak


def test_nothing_is_left_behind_by_streams_that_die() -> None:
    course = soak(12, 15.0, "noop", warm_seconds=10.0, tick=5.0)
    before, after, ended = course.before, course.after, course.ended
    assert after.descriptors <= before.descriptors
    assert after.threads <= before.threads
    assert after.tasks <= before.tasks
    assert after.mib < before.mib + 20.0
    assert ended["finish"] > 0
    assert {name.partition(":")[0] for name in ended} <= set(ENDS)


def held(mib: float = 700.0, tasks: int = 7) -> Held:
    return Held(mib, 17, 10, tasks, 4)


SAW = [700.0, 760.0, 820.0, 710.0, 770.0, 830.0] * 4
LEAK = [700.0 + 3.0 * at for at in range(24)]


@pytest.mark.parametrize(
    ("mib", "after", "flat"),
    [
        (SAW, held(720.0), True),
        (SAW, held(780.0), False),
        (SAW, held(tasks=8), False),
        (LEAK, held(), False),
    ],
)
def test_only_a_soak_that_left_nothing_behind_is_flat(
    mib: list[float], after: Held, flat: bool
) -> None:
    assert Course(held(), after, mib, collections.Counter()).flat == flat
