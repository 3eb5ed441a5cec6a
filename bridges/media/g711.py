"""ITU-T G.711 by table: one byte to a 16-bit sample."""

import numpy as np
from numpy.typing import NDArray


def _mulaw_table() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.uint8)
    exponent = (code >> 4).astype(np.int32) & 0x07
    mantissa = code.astype(np.int32) & 0x0F
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


def _alaw_table() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.uint8) ^ np.uint8(0x55)
    exponent = (code >> 4).astype(np.int32) & 0x07
    mantissa = (code.astype(np.int32) & 0x0F) << 4
    segment = (mantissa + 0x108) << np.maximum(exponent - 1, 0)
    magnitude = np.where(exponent == 0, mantissa + 8, segment)
    return np.where(code & 0x80, magnitude, -magnitude).astype("<i2")


_MULAW = _mulaw_table()
_ALAW = _alaw_table()


def mulaw_samples(content: bytes) -> NDArray[np.int16]:
    """Decodes mu-law bytes to 16-bit samples."""
    return _MULAW[np.frombuffer(content, np.uint8)]


def alaw_samples(content: bytes) -> NDArray[np.int16]:
    """Decodes A-law bytes to 16-bit samples."""
    return _ALAW[np.frombuffer(content, np.uint8)]
