"""Decodes bytes in a declared format to float32 samples."""

import numpy as np

from dfd.streaming.options import AudioFormat
from dfd.streaming.types import Encoding, Samples, StreamError

_FULL_SCALE = np.float32(32768.0)
# Floats may slightly exceed full scale; far beyond it (integers sent as floats) they would
# overflow the arithmetic that follows.
_FLOAT_LIMIT = np.float32(16.0)


def _mulaw_table() -> Samples:
    """Returns the samples of all 256 ITU-T G.711 mu-law codes, at full scale 1.0."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent = (code >> 4).astype(np.int32) & 0x07
    mantissa = code.astype(np.int32) & 0x0F
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return (np.where(code & 0x80, -magnitude, magnitude) / _FULL_SCALE).astype(np.float32)


def _alaw_table() -> Samples:
    """Returns the samples of all 256 ITU-T G.711 A-law codes, at full scale 1.0."""
    code = np.arange(256, dtype=np.uint8) ^ np.uint8(0x55)
    exponent = (code >> 4).astype(np.int32) & 0x07
    mantissa = (code.astype(np.int32) & 0x0F) << 4
    segment = (mantissa + 0x108) << np.maximum(exponent - 1, 0)
    magnitude = np.where(exponent == 0, mantissa + 8, segment)
    return (np.where(code & 0x80, magnitude, -magnitude) / _FULL_SCALE).astype(np.float32)


_TABLES = {Encoding.MULAW: _mulaw_table(), Encoding.ALAW: _alaw_table()}


def decode(content: bytes, audio_format: AudioFormat) -> Samples:
    """Decodes whole interleaved frames.

    Args:
        content: the bytes; PCM is little-endian.
        audio_format: their format.

    Returns:
        float32 (frames, channels), full scale 1.0; floats are limited to 16 times that.

    Raises:
        StreamError: with PARTIAL_FRAME where bytes are left over, NON_FINITE_SAMPLES for a
            float that is NaN or infinite.
    """
    if len(content) % audio_format.bytes_per_frame:
        raise StreamError(
            "PARTIAL_FRAME",
            f"a chunk of {len(content)} bytes is not a whole number of frames of "
            f"{audio_format.bytes_per_frame} bytes; send whole frames",
        )
    encoding = audio_format.encoding
    if encoding is Encoding.LINEAR16:
        samples = np.frombuffer(content, dtype="<i2").astype(np.float32)
        samples /= _FULL_SCALE
    elif encoding is Encoding.FLOAT32:
        samples = np.frombuffer(content, dtype="<f4").astype(np.float32)
        if not np.isfinite(samples).all():
            raise StreamError(
                "NON_FINITE_SAMPLES",
                "a chunk contains NaN or infinite samples; send finite floats at full scale 1.0",
            )
        np.clip(samples, -_FLOAT_LIMIT, _FLOAT_LIMIT, out=samples)
    else:
        samples = _TABLES[encoding][np.frombuffer(content, dtype=np.uint8)]
    return samples.reshape(-1, audio_format.channel_count)
