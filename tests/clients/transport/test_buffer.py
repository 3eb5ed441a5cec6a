import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.clients.audio import AudioFormat
from dfd.clients.transport.buffer import AudioBuffer

FORMAT = AudioFormat(sample_rate_hz=8000)  # two bytes per frame


def frames(count: int) -> bytes:
    return bytes(2 * count)


def test_a_live_buffer_drops_its_oldest_audio_and_counts_it() -> None:
    buffer = AudioBuffer(FORMAT, 1.0, live=True)
    for _ in range(30):
        buffer.append(frames(800))
    assert (len(buffer), buffer.dropped, buffer.position) == (8000, 16000, 24000)
    assert buffer.start == 16000
    piece = buffer.take(1 << 20)
    assert piece is not None
    assert (piece.start, piece.frames) == (16000, 800)


def test_sent_audio_is_sent_again_unless_it_was_judged() -> None:
    buffer = AudioBuffer(FORMAT, 10.0, live=True)
    for _ in range(10):
        buffer.append(frames(800))
        buffer.take(1 << 20)
    buffer.acknowledge(4000)
    assert len(buffer) == 0
    buffer.rewind()
    assert (buffer.start, len(buffer), buffer.dropped) == (4000, 4000, 0)


def test_audio_lost_in_a_reconnection_is_counted() -> None:
    buffer = AudioBuffer(FORMAT, 1.0, live=True)
    for _ in range(10):
        buffer.append(frames(800))
        buffer.take(1 << 20)
    for _ in range(5):
        buffer.append(frames(800))
    buffer.rewind()
    assert (buffer.start, len(buffer), buffer.dropped) == (4000, 8000, 4000)


def test_a_waiting_source_loses_nothing() -> None:
    buffer = AudioBuffer(FORMAT, 1.0, live=False)
    before = []
    for _ in range(10):
        before.append(buffer.full)
        buffer.append(frames(800))
    assert not any(before)
    assert buffer.full
    buffer.take(1 << 20)
    assert len(buffer) == 7200
    buffer.append(frames(800))
    buffer.rewind()
    assert (buffer.start, len(buffer), buffer.dropped) == (0, 8800, 0)


def test_bad_audio_is_refused() -> None:
    buffer = AudioBuffer(AudioFormat(channel_count=2), 1.0, live=True)
    with pytest.raises(ValueError, match="whole number of frames"):
        buffer.append(b"abc")
    buffer.append(bytes(40))
    with pytest.raises(ValueError, match="before frame 10"):
        buffer.append(bytes(4), 9)


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(0, 400), st.integers(0, 100)),
            st.tuples(st.just("take"), st.integers(1, 300), st.just(0)),
            st.tuples(st.just("acknowledge"), st.integers(0, 4000), st.just(0)),
            st.tuples(st.just("rewind"), st.just(0), st.just(0)),
        ),
        max_size=60,
    ),
    live=st.booleans(),
)
def test_time_never_runs_backwards_and_every_frame_is_accounted_for(
    steps: list[tuple[str, int, int]], live: bool
) -> None:
    buffer = AudioBuffer(FORMAT, 0.1, live=live)
    given_frames = skipped = 0
    last_end = 0
    for step, number, gap in steps:
        match step:
            case "append":
                buffer.append(frames(number), buffer.position + gap)
                given_frames += number
                skipped += gap
            case "take":
                piece = buffer.take(2 * number)
                if piece is not None:
                    assert 0 < piece.frames <= number
                    assert len(piece.content) == 2 * piece.frames
                    assert piece.start >= last_end
                    last_end = piece.end
            case "acknowledge":
                buffer.acknowledge(min(number, last_end))
            case "rewind":
                buffer.rewind()
                last_end = 0
        assert buffer.position == given_frames + skipped
        if live:
            assert len(buffer) <= max(800, 400)
        else:
            assert buffer.dropped == 0


def test_audio_that_another_server_needs_is_kept_beyond_the_limit() -> None:
    buffer = AudioBuffer(FORMAT, 1.0, live=True)
    buffer.keep(4.0)
    for _ in range(60):
        buffer.append(frames(800))
        assert buffer.take(1 << 20) is not None
    buffer.acknowledge(12_000)
    buffer.rewind()
    assert buffer.start == 16_000  # the last four of the six seconds that were sent
    assert buffer.dropped == 0


def test_a_stream_continues_at_the_exact_frame() -> None:
    buffer = AudioBuffer(FORMAT, 10.0, live=True)
    for value in range(10):
        buffer.append(bytes([value, 0]) * 800)
    buffer.skip_to(2_300)
    assert (buffer.start, len(buffer), buffer.dropped) == (2_300, 5_700, 0)
    piece = buffer.take(1 << 20)
    assert piece is not None
    assert (piece.start, piece.frames) == (2_300, 100)
    assert piece.content == bytes([2, 0]) * 100
    buffer.skip_to(2_400)
    assert buffer.start == 2_400
