import math

import pytest

from dfd.daemon.scheduling.sizes import BatchSizes, choose_bucket


@pytest.mark.parametrize(
    ("waiting", "size"),
    [(1, 1), (2, 2), (3, 4), (4, 4), (5, 4), (6, 8), (7, 8), (8, 8), (11, 8), (12, 16), (99, 16)],
)
def test_a_bucket_is_filled_or_nearly_full(waiting: int, size: int) -> None:
    assert choose_bucket(waiting, (1, 2, 4, 8, 16)) == size


def test_the_smallest_bucket_takes_the_remainder() -> None:
    assert choose_bucket(1, (4, 8)) == 4


def test_a_pass_leaves_most_of_the_deadline_for_waiting() -> None:
    sizes = BatchSizes((1, 2, 4, 8))
    assert sizes.choose(8, 0.4) == 8  # nothing is known yet
    for _ in range(100):
        sizes.took(0.2, 8)
    assert sizes.seconds_each == pytest.approx(0.025)
    assert sizes.choose(8, 0.45) == 4
    assert sizes.choose(8, 0.0) == 1
    assert sizes.choose(8, math.inf) == 8
