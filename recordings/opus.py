"""Decodes Opus at the rate at which its audio was recorded, with libopus.

libav decodes Opus at 48 kHz whatever is in it, and bringing that to 16 kHz takes the top of the
band with it: what a model hears then is not what its authors heard, whose readers (libsndfile's
among them) ask libopus for the recording's own rate. libopus is the copy that came with PyAV, or
the system's; where there is none, libav goes on decoding at 48 kHz.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

_HEAD = struct.Struct("<8sBBHIhB")
_MAGIC = b"OpusHead"
# libopus decodes at these; 8 and 12 kHz would cut what a wrong header hides
RATES_HZ = (16_000, 24_000)
_FULL_RATE_HZ = 48_000
_LONGEST_SECONDS = 0.12
# of a packet: samples at 48 kHz to leave out at its start and at its end
_SKIP = struct.Struct("<II")
_SKIP_NAME = "skip_samples"


def native_rate(stream: Any) -> int | None:
    """Returns the rate at which to decode an Opus track; None if libav should decode it."""
    context = stream.codec_context
    if context is None or context.name != "opus" or library() is None:
        return None
    head = bytes(context.extradata or b"")[: _HEAD.size]
    if len(head) < _HEAD.size or not hasattr(av.Packet, "get_sidedata"):
        return None
    magic, _, channels, _, declared, gain, family = _HEAD.unpack(head)
    # libav handles several coupled streams and gains
    if magic != _MAGIC or family or gain or channels not in (1, 2):
        return None
    return next((rate for rate in RATES_HZ if 0 < declared <= rate), None)


class OpusDecoder:
    """Decodes the packets of one track, one after the other.

    Args:
        rate_hz: a rate that libopus supports.
        channels: 1 or 2; libopus mixes as needed.

    Attributes:
        left_out: samples at the start of the last packet that were removed.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        found = library()
        assert found is not None
        self._library = found
        self._channels = channels
        self._step = _FULL_RATE_HZ // rate_hz
        self._skip = 0
        self.left_out = 0
        error = ctypes.c_int()
        self._decoder = found.opus_decoder_create(rate_hz, channels, ctypes.byref(error))
        if error.value:
            raise MemoryError
        longest = round(rate_hz * _LONGEST_SECONDS)
        self._room = np.zeros((longest, channels), np.float32)

    def decode(self, packet: Any) -> npt.NDArray[np.float32]:
        """Returns the samples (N, channels) of a packet, without those that its container removes.

        Raises:
            ValueError: if it is damaged.
        """
        content = bytes(packet)
        count = self._library.opus_decode_float(
            self._decoder, content, len(content), self._room.ctypes.data, len(self._room), 0
        )
        if count < 0:
            raise ValueError("damaged")
        last = count
        if packet.has_sidedata(_SKIP_NAME):
            skip, leave = _SKIP.unpack_from(bytes(packet.get_sidedata(_SKIP_NAME)))
            self._skip += skip // self._step
            last = max(0, count - leave // self._step)
        self.left_out = min(self._skip, last)
        self._skip -= self.left_out
        return self._room[self.left_out : last].copy()

    def __del__(self) -> None:
        if getattr(self, "_decoder", None):
            self._library.opus_decoder_destroy(self._decoder)


@functools.cache
def library() -> Any:
    """Loads libopus; returns None if it is not installed."""
    folder = Path(av.__file__).parent
    beside = [*folder.parent.glob("av.libs/*opus*"), *folder.glob(".dylibs/*opus*")]
    for name in [*(str(path) for path in beside), ctypes.util.find_library("opus")]:
        try:
            found = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if found is not None and hasattr(found, "opus_decode_float"):
            return _declared(found)
    return None


def _declared(found: Any) -> Any:
    whole, pointer = ctypes.c_int, ctypes.c_void_p
    found.opus_decoder_create.restype = pointer
    found.opus_decoder_create.argtypes = [ctypes.c_int32, whole, pointer]
    found.opus_decode_float.restype = whole
    found.opus_decode_float.argtypes = [
        *(pointer, ctypes.c_char_p, ctypes.c_int32, pointer, whole, whole)
    ]
    found.opus_decoder_destroy.restype = None
    found.opus_decoder_destroy.argtypes = [pointer]
    return found
