from typing import Any

import av
import numpy as np
import pytest

from dfd.bridges.calls import ProtocolError
from dfd.bridges.media.codecs import STATIC_CODECS, Codec, make_decoder
from dfd.bridges.media.g711 import mulaw_samples
from dfd.errors import UserError
from tests.bridges.kit import Samples, mulaw, voice


def encoded(name: str, samples: Samples, rate: int, size: int) -> list[bytes]:
    """Encodes packets with FFmpeg."""
    context: Any = av.CodecContext.create(name, "w")
    context.sample_rate, context.layout, context.format = rate, "mono", "s16"
    packets: list[bytes] = []
    for at in range(0, len(samples) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + size], "s16", "mono")
        frame.sample_rate, frame.pts = rate, at
        packets += [bytes(one) for one in context.encode(frame)]
    return packets


def likeness(one: Samples, other: Samples) -> float:
    """Returns the largest correlation over a few milliseconds of delay."""
    count = min(len(one), len(other)) - 2000
    reference = one[1000 : 1000 + count].astype(float)
    best = 0.0
    for shift in range(0, 1000, 4):
        part = other[shift : shift + count].astype(float)
        best = max(best, float(np.corrcoef(reference, part)[0, 1]))
    return best


def test_g711_is_decoded_by_the_table() -> None:
    decoder = make_decoder(STATIC_CODECS[0])
    content = mulaw(voice(0.1))
    assert decoder.decode(content) == mulaw_samples(content).tobytes()
    assert decoder.audio_format.sample_rate_hz == 8000


def test_l16_is_big_endian_in_whole_samples() -> None:
    decoder = make_decoder(Codec("L16", 16000, 2))
    assert decoder.decode(b"\x01\x02\x03\x04") == b"\x02\x01\x04\x03"
    assert decoder.audio_format.channel_count == 2
    with pytest.raises(ProtocolError, match="half a frame"):
        decoder.decode(b"\x01\x02")


def test_g722_samples_at_twice_its_clock_rate() -> None:
    decoder = make_decoder(STATIC_CODECS[9])
    assert (decoder.ticks_per_second, decoder.audio_format.sample_rate_hz) == (8000, 16000)
    samples = voice(1.0, 16000)
    heard = np.frombuffer(
        b"".join(map(decoder.decode, encoded("g722", samples, 16000, 320))), "<i2"
    )
    assert len(heard) == len(samples)
    assert likeness(heard, samples) > 0.95


def test_opus() -> None:
    decoder = make_decoder(Codec("OPUS", 48000))
    samples = voice(1.0, 48000)
    packets = encoded("libopus", samples, 48000, 960)
    heard = np.frombuffer(b"".join(map(decoder.decode, packets)), "<i2")
    assert len(heard) == len(packets) * 960
    assert likeness(heard, samples) > 0.9


@pytest.mark.parametrize("codec", [Codec("OPUS", 48000), STATIC_CODECS[9]])
def test_an_empty_payload_does_not_end_the_decoder(codec: Codec) -> None:
    decoder = make_decoder(codec)
    assert decoder.decode(b"") == b""
    good = encoded("libopus", voice(0.1, 48000), 48000, 960)[1]
    assert decoder.decode(good)


def test_a_broken_payload_affects_nothing_else() -> None:
    decoder = make_decoder(Codec("OPUS", 48000))
    good = encoded("libopus", voice(0.1, 48000), 48000, 960)[1]
    with pytest.raises(ProtocolError, match="cannot decode"):
        decoder.decode(b"\xff\xff\x00garbage" * 9)
    assert len(decoder.decode(good)) == 1920


def test_an_unknown_codec_is_named() -> None:
    with pytest.raises(UserError, match="AMR"):
        make_decoder(Codec("AMR", 8000))
