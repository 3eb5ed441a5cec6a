import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.detector.buckets import check_buckets, default_buckets, split, stack
from dfd.errors import UserError


def test_ascending_and_once() -> None:
    assert check_buckets([4, 1, 4]) == (1, 4)


@pytest.mark.parametrize("buckets", [[], [0, 1], [-1]])
def test_refused(buckets: list[int]) -> None:
    with pytest.raises(UserError, match="name at least one"):
        check_buckets(buckets)


def test_examples() -> None:
    assert list(split(0, (1, 2, 4))) == []
    assert list(split(3, (1, 2, 4))) == [(0, 3, 4)]
    assert list(split(9, (1, 2, 4))) == [(0, 4, 4), (4, 8, 4), (8, 9, 1)]


@given(st.integers(0, 200), st.lists(st.integers(1, 64), min_size=1))
def test_every_window_is_in_one_batch_of_the_smallest_bucket(count: int, sizes: list[int]) -> None:
    buckets = check_buckets(sizes)
    position = 0
    for start, stop, bucket in split(count, buckets):
        assert start == position < stop
        assert bucket == min(size for size in buckets if size >= stop - start)
        position = stop
    assert position == count


@pytest.mark.parametrize(
    ("device", "parameters", "largest"),
    [("cpu", 1_000_000, 16), ("cpu", 94_000_000, 4), ("cpu", 315_000_000, 2), ("cuda", 10**9, 64)],
)
def test_default_buckets_follow_the_size_of_the_network(
    device: str, parameters: int, largest: int
) -> None:
    buckets = default_buckets(device, parameters)
    assert (buckets[0], buckets[-1]) == (1, largest)


def test_default_buckets_may_be_bounded_on_a_cpu() -> None:
    assert default_buckets("cpu", 300_000, 4) == (1, 2, 4)
    assert default_buckets("cpu", 315_000_000, 4) == (1, 2)
    assert default_buckets("cuda", 300_000, 4)[-1] == 64


def test_windows_are_stacked_with_zeros_behind() -> None:
    full = np.ones(4, np.float32)
    batch, lengths = stack([full[:2], full], 4)
    assert batch.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert batch.dtype == np.float32
    assert lengths.tolist() == [2, 4]
    assert stack([], 4)[0].shape == (0, 4)
