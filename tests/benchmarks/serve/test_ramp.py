import pytest

from dfd.benchmarks.serve.ramp import largest_held


@pytest.mark.parametrize("capacity", [0, 1, 7, 25, 130, 199])
def test_the_largest_number_within_the_budget_is_found(capacity: int) -> None:
    held, steps = largest_held(
        lambda streams: streams,
        lambda streams: streams <= capacity,
        start=10,
        limit=1000,
        resolution=0.05,
    )
    assert held <= capacity <= held + max(1, int(0.05 * held))
    assert max(steps) > capacity
    assert all(steps.count(streams) == (1 if streams <= capacity else 2) for streams in steps)


def test_a_step_that_fails_once_is_tried_again() -> None:
    seen: list[int] = []

    def attempt(streams: int) -> bool:
        seen.append(streams)
        return seen.count(streams) > 1 and streams <= 40

    held, _ = largest_held(attempt, bool, start=10, limit=100, resolution=0.05)
    assert 38 <= held <= 40
    assert seen[:4] == [10, 10, 20, 20]


def test_no_step_is_beyond_the_limit() -> None:
    held, steps = largest_held(
        lambda streams: streams, lambda streams: True, start=10, limit=50, resolution=0.1
    )
    assert (held, steps) == (50, [10, 20, 40, 50])
