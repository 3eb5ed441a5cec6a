"""A short soak: the daemon holds the same before and after streams that die in every way.

By hand, for long: python -m tests.chaos.soak --minutes 30 --streams 100
"""

from tests.chaos.soak import ENDS, soak


def test_nothing_is_left_behind_by_streams_that_die() -> None:
    before, after, ended = soak(12, 15.0, "noop", warm_seconds=10.0, tick=5.0)
    assert after.descriptors <= before.descriptors
    assert after.threads <= before.threads
    assert after.tasks <= before.tasks
    assert after.mib < before.mib + 20.0
    assert ended["finish"] > 0
    assert {name.partition(":")[0] for name in ended} <= set(ENDS)
