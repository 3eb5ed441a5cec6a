from hypothesis import given
from hypothesis import strategies as st

from dfd.streaming.samples.gaps import GapMap


@given(
    lengths=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=8), data=st.data()
)
def test_overlap_counts_lost_samples(lengths: list[tuple[int, int]], data: st.DataObject) -> None:
    gaps = GapMap()
    lost: list[bool] = []
    for heard, missing in lengths:
        lost += [False] * heard
        gaps.add(len(lost), len(lost) + missing)
        lost += [True] * missing
    start = data.draw(st.integers(0, len(lost)))
    end = data.draw(st.integers(start, len(lost)))
    assert gaps.overlap(start, end) == sum(lost[start:end])
    assert gaps.reach(start) == any(lost[start:])
    gaps.forget(start)
    assert gaps.overlap(start, end) == sum(lost[start:end])
    assert gaps.total_samples == sum(lost)
