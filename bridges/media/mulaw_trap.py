"""Detects mu-law that is labelled as 16-bit audio.

`AudioSocket(...)` with the option `c(ulaw)` makes Asterisk send mu-law bytes under type 0x10,
which means signed linear. Read as such they are loud noise; read as mu-law they are speech.
"""

import numpy as np
from numpy.typing import NDArray

from dfd.bridges.media.g711 import mulaw_samples

# Read as 16 bits, mu-law is far louder than speech ever is.
_LOUD_RMS = 12000.0
_SILENT_RMS = 30.0
# In mu-law every byte is a sample, so bytes at even and odd positions are alike; in 16-bit speech
# the low bytes are spread evenly and the high bytes are near 0x00 and 0xff.
_ALIKE = 0.9


class MulawTrap:
    """Examines the first seconds of a call.

    Args:
        bytes_heard: number of non-silent bytes that it needs for a decision.
    """

    def __init__(self, bytes_heard: int = 8000) -> None:
        self._wanted = bytes_heard
        self._heard = bytearray()
        self._done = False

    def push(self, content: bytes) -> bool:
        """Takes the payload of an audio frame; returns True once, if it looks like mu-law."""
        if self._done or not content or _rms(mulaw_samples(content)) < _SILENT_RMS:
            return False
        self._heard += content
        if len(self._heard) < self._wanted:
            return False
        self._done = True
        return looks_like_mulaw(bytes(self._heard))


def looks_like_mulaw(content: bytes) -> bool:
    """Returns whether bytes declared as 16-bit samples are probably mu-law."""
    octets = np.frombuffer(content[: len(content) & ~1], np.uint8)
    if not len(octets) or _rms(octets.view("<i2")) < _LOUD_RMS:
        return False
    low, high = (np.bincount(half >> 4, minlength=16) for half in (octets[::2], octets[1::2]))
    return 2 * int(np.minimum(low, high).sum()) >= _ALIKE * len(octets)


def _rms(samples: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
