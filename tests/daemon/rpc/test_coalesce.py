from hypothesis import given
from hypothesis import strategies as st

from dfd.daemon.rpc.coalesce import Coalescer, slices


def test_small_chunks_are_joined() -> None:
    c = Coalescer(2, 8)
    assert not c.holding
    assert list(c.push(b"ab", None)) == []
    assert list(c.push(b"cdef", 1)) == []
    assert list(c.push(b"gh", None)) == [(b"abcdefgh", None)]
    assert not c.holding
    assert list(c.flush()) == []


def test_a_large_chunk_is_passed_on_at_once() -> None:
    content = bytes(100)
    ((got, offset),) = Coalescer(2, 8).push(content, None)
    assert got is content
    assert offset is None


def test_a_gap_is_kept() -> None:
    c = Coalescer(2, 8)
    assert list(c.push(b"ab", 0)) == []
    assert list(c.push(b"cd", 5)) == [(b"ab", None), (b"cd", 5)]
    assert list(c.push(b"ef", 6)) == []
    assert list(c.flush()) == [(b"ef", None)]


def test_partial_frames_are_passed_on_separately() -> None:
    c = Coalescer(2, 8)
    assert list(c.push(b"ab", None)) == []
    assert list(c.push(b"cde", None)) == [(b"ab", None), (b"cde", None)]


@given(st.lists(st.binary(max_size=40)), st.integers(1, 64))
def test_no_byte_is_lost_or_moved(chunks: list[bytes], target: int) -> None:
    c = Coalescer(1, target)
    out = [content for chunk in chunks for content, _ in c.push(chunk, None)]
    assert all(len(content) >= target for content in out)
    out += [content for content, _ in c.flush()]
    assert b"".join(out) == b"".join(chunks)


@given(st.binary(max_size=200), st.integers(1, 50), st.integers(1, 6))
def test_slices_are_whole_frames(content: bytes, size: int, frame: int) -> None:
    pieces = list(slices(content, size, frame))
    assert b"".join(pieces) == content
    if len(content) % frame == 0 and len(content) > size:
        assert all(len(piece) % frame == 0 for piece in pieces)
        assert max(map(len, pieces)) <= max(size, frame)
