import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.streaming.samples.ring import RingBuffer

Step = tuple[bool, int]


@given(
    capacity=st.integers(1, 50),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 120)), max_size=12),
    data=st.data(),
)
def test_reads_the_same_as_a_plain_array(
    capacity: int, steps: list[Step], data: st.DataObject
) -> None:
    ring = RingBuffer(capacity)
    plain = np.zeros(0, np.float32)
    for is_gap, count in steps:
        piece = np.zeros(count) if is_gap else np.arange(1, count + 1) + len(plain)
        plain = np.concatenate([plain, piece.astype(np.float32)])
        if is_gap:
            ring.skip(count)
        else:
            ring.write(piece.astype(np.float32))
    assert ring.end == len(plain)
    assert ring.start == max(0, len(plain) - capacity)
    start = data.draw(st.integers(ring.start, ring.end))
    end = data.draw(st.integers(start, ring.end))
    assert np.array_equal(ring.read(start, end), plain[start:end])


def test_read_returns_a_read_only_copy() -> None:
    ring = RingBuffer(4)
    ring.write(np.ones(4, np.float32))
    kept = ring.read(0, 4)
    ring.skip(4)
    assert kept.tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 2


@pytest.mark.parametrize(("start", "end"), [(0, 2), (3, 7), (5, 4), (-1, 3)])
def test_a_range_that_is_not_buffered_is_refused(start: int, end: int) -> None:
    ring = RingBuffer(4)
    ring.write(np.arange(6, dtype=np.float32))
    with pytest.raises(ValueError, match="not within"):
        ring.read(start, end)


def test_skip_of_any_length_is_quick() -> None:
    ring = RingBuffer(4)
    ring.write(np.ones(3, np.float32))
    ring.skip(10**15)
    assert ring.end == 10**15 + 3
    assert ring.read(ring.start, ring.end).tolist() == [0, 0, 0, 0]


def test_capacity_is_checked() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RingBuffer(0)
