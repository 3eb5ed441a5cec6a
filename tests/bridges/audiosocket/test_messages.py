import contextlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.bridges.audiosocket.messages import (
    HANGUP_FRAME,
    MAX_PAYLOAD_BYTES,
    RATES_HZ,
    Frame,
    FrameReader,
    Kind,
    silent_frame,
)
from dfd.bridges.calls import ProtocolError

CALL = uuid.UUID("12345678-1234-5678-1234-567812345678")
HELLO = Frame(Kind.UUID, CALL.bytes)

frames = st.one_of(
    st.builds(
        Frame,
        st.sampled_from(sorted(RATES_HZ)),
        st.binary(max_size=400).map(lambda data: data[: len(data) & ~1]),
    ),
    st.builds(Frame, st.just(int(Kind.DTMF)), st.binary(min_size=1, max_size=1)),
    st.builds(Frame, st.just(int(Kind.ERROR)), st.binary(max_size=1)),
    st.just(Frame(Kind.HANGUP, b"")),
)


@given(st.lists(frames, max_size=12), st.lists(st.integers(1, 300), min_size=1, max_size=40))
def test_chunking_does_not_matter(sent: list[Frame], cuts: list[int]) -> None:
    sent = [HELLO, *sent]
    data = b"".join(frame.encode() for frame in sent)
    reader = FrameReader()
    heard: list[Frame] = []
    at = 0
    while at < len(data):
        step = cuts[at % len(cuts)]
        heard += reader.feed(data[at : at + step])
        at += step
    assert heard == sent
    assert reader.call_uuid == CALL
    assert reader.pending == 0


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_any_bytes_give_frames_or_a_protocol_error(chunks: list[bytes]) -> None:
    reader = FrameReader()
    with contextlib.suppress(ProtocolError):
        for chunk in chunks:
            reader.feed(chunk)
    assert reader.pending <= MAX_PAYLOAD_BYTES + 400


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\n", "0x47"),
        (Frame(0x10, bytes(320)).encode(), "0x10"),
        (b"\x01\x00\x0f", "15 bytes"),
        (HELLO.encode() + HELLO.encode(), "second"),
        (HELLO.encode() + b"\x10\x00\x03", "half a sample"),
        (HELLO.encode() + b"\x18\xff\xfe", "exceeds"),
        (HELLO.encode() + b"\x42\x00\x00", "unknown"),
        (HELLO.encode() + b"\x03\x10\x00", "4096"),
    ],
)
def test_invalid_input_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        FrameReader().feed(data)


def test_half_a_frame_stays_pending() -> None:
    reader = FrameReader()
    assert reader.feed(HELLO.encode() + Frame(0x10, bytes(320)).encode()[:100]) == [HELLO]
    assert reader.pending == 100


@pytest.mark.parametrize(("kind", "size"), [(0x10, 320), (0x12, 640), (0x18, 7680)])
def test_silence_has_the_length_of_its_rate(kind: int, size: int) -> None:
    assert silent_frame(kind) == bytes([kind]) + size.to_bytes(2) + bytes(size)


def test_hanging_up_is_three_zero_bytes() -> None:
    assert bytes(3) == HANGUP_FRAME
