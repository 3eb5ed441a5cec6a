import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.streaming.options import AudioFormat
from dfd.streaming.samples.decode import decode
from dfd.streaming.types import Encoding, StreamError


def mono(encoding: Encoding, channels: int = 1) -> AudioFormat:
    return AudioFormat(encoding, 16_000, channels)


@given(st.lists(st.integers(-32768, 32767)))
def test_linear16_is_scaled_by_full_scale(values: list[int]) -> None:
    content = struct.pack(f"<{len(values)}h", *values)
    samples = decode(content, mono(Encoding.LINEAR16))
    assert samples.dtype == np.float32
    assert samples.shape == (len(values), 1)
    assert (samples[:, 0] * 32768 == values).all()


@given(st.lists(st.floats(-1, 1, width=32)))
def test_float32_is_kept(values: list[float]) -> None:
    samples = decode(struct.pack(f"<{len(values)}f", *values), mono(Encoding.FLOAT32))
    assert (samples[:, 0] == np.array(values, np.float32)).all()


def test_float32_far_over_full_scale_is_limited() -> None:
    samples = decode(struct.pack("<2f", 3e38, -1.5), mono(Encoding.FLOAT32))
    assert samples[:, 0].tolist() == [16.0, -1.5]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_float32_that_is_not_a_number_is_refused(value: float) -> None:
    with pytest.raises(StreamError, match="finite") as caught:
        decode(struct.pack("<2f", 0.0, value), mono(Encoding.FLOAT32))
    assert caught.value.reason == "NON_FINITE_SAMPLES"


# ITU-T G.711 tables 1a and 2a: first, middle and last decision value of each sign
@pytest.mark.parametrize(
    ("code", "expected"),
    [(0x00, -32124), (0x7F, 0), (0x80, 32124), (0xFF, 0), (0xF0, 120), (0x70, -120)],
)
def test_mulaw_codes(code: int, expected: int) -> None:
    assert decode(bytes([code]), mono(Encoding.MULAW))[0, 0] * 32768 == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0x55, -8), (0xD5, 8), (0x2A, -32256), (0xAA, 32256), (0x80, 5504), (0x00, -5504)],
)
def test_alaw_codes(code: int, expected: int) -> None:
    assert decode(bytes([code]), mono(Encoding.ALAW))[0, 0] * 32768 == expected


@pytest.mark.parametrize("encoding", [Encoding.MULAW, Encoding.ALAW])
def test_g711_is_monotonic_and_odd_symmetric(encoding: Encoding) -> None:
    samples = decode(bytes(range(256)), mono(encoding))[:, 0]
    order = samples[[c ^ (0x7F if encoding is Encoding.MULAW else 0x55) for c in range(128, 256)]]
    assert (np.diff(order) > 0).all()
    assert (samples[:128] == -samples[128:]).all()


@given(st.integers(1, 8), st.integers(0, 20), st.sampled_from(Encoding))
def test_frames_are_deinterleaved(channels: int, frames: int, encoding: Encoding) -> None:
    one = decode(bytes(encoding.bytes_per_sample), mono(encoding))[0, 0]
    content = bytes(encoding.bytes_per_sample * channels * frames)
    samples = decode(content, mono(encoding, channels))
    assert samples.shape == (frames, channels)
    assert (samples == one).all()


def test_channels_keep_their_order() -> None:
    samples = decode(struct.pack("<4h", 1, 2, 3, 4), mono(Encoding.LINEAR16, 2))
    assert (samples * 32768).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("encoding", "channels", "size"),
    [(Encoding.LINEAR16, 1, 3), (Encoding.FLOAT32, 1, 6), (Encoding.MULAW, 2, 3)],
)
def test_partial_frame_is_refused(encoding: Encoding, channels: int, size: int) -> None:
    with pytest.raises(StreamError, match="whole frames") as caught:
        decode(bytes(size), mono(encoding, channels))
    assert caught.value.reason == "PARTIAL_FRAME"
