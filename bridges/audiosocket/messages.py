"""Asterisk's AudioSocket: frames of a type byte, a big-endian length and a payload.

https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/ has the table of types.
The first frame names the call (16 bytes of UUID); audio follows at the rate that its type
says; 0x00 or the end of the connection ends the call.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass
from enum import IntEnum

from dfd.bridges.calls import ProtocolError

HEADER = struct.Struct(">BH")
# 16-bit samples; the largest rate sends 7,680 bytes every 20 ms.
MAX_PAYLOAD_BYTES = 16384


class Kind(IntEnum):
    """Types that are not audio."""

    HANGUP = 0x00
    UUID = 0x01
    DTMF = 0x03
    ERROR = 0xFF


# Signed linear, 16 bits, mono, little-endian.
RATES_HZ = {
    0x10: 8000,
    0x11: 12000,
    0x12: 16000,
    0x13: 24000,
    0x14: 32000,
    0x15: 44100,
    0x16: 48000,
    0x17: 96000,
    0x18: 192000,
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame."""

    kind: int
    payload: bytes

    @property
    def rate_hz(self) -> int | None:
        """The sample rate of an audio frame; None for other frames."""
        return RATES_HZ.get(self.kind)

    def encode(self) -> bytes:
        """Returns the frame as bytes."""
        return HEADER.pack(self.kind, len(self.payload)) + self.payload


HANGUP_FRAME = Frame(Kind.HANGUP, b"").encode()


def silent_frame(kind: int, milliseconds: int = 20) -> bytes:
    """Returns silence in an audio type, as bytes to send."""
    return Frame(kind, bytes(2 * (RATES_HZ[kind] * milliseconds // 1000))).encode()


class FrameReader:
    """Cuts a byte stream into frames, however it arrives.

    The frames are checked one by one: a first frame that is not a UUID, an unknown type, an
    oversized frame or half a sample is a `ProtocolError`.

    Attributes:
        call_uuid: the UUID in the first frame; None before it.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self.call_uuid: uuid.UUID | None = None

    @property
    def pending(self) -> int:
        """Number of bytes of a frame that is not complete yet."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[Frame]:
        """Takes bytes and returns the frames that are now complete.

        Raises:
            ProtocolError: if these bytes are not AudioSocket.
        """
        rest = self._rest
        rest += data
        frames: list[Frame] = []
        at = 0
        while len(rest) - at >= HEADER.size:
            kind, length = HEADER.unpack_from(rest, at)
            self._check(kind, length)
            end = at + HEADER.size + length
            if end > len(rest):
                break
            frame = Frame(kind, bytes(rest[at + HEADER.size : end]))
            at = end
            if kind == Kind.UUID:
                self.call_uuid = uuid.UUID(bytes=frame.payload)
            frames.append(frame)
        del rest[:at]
        return frames

    def _check(self, kind: int, length: int) -> None:
        if self.call_uuid is None and kind not in (Kind.UUID, Kind.HANGUP, Kind.ERROR):
            raise ProtocolError(f"the first frame has type 0x{kind:02x} instead of 0x01, the UUID")
        if kind in RATES_HZ:
            if length > MAX_PAYLOAD_BYTES:
                raise ProtocolError(f"an audio frame of {length} bytes exceeds {MAX_PAYLOAD_BYTES}")
            if length % 2:
                raise ProtocolError(f"an audio frame of {length} bytes ends in half a sample")
        elif kind == Kind.UUID:
            if length != 16:
                raise ProtocolError(f"a UUID of {length} bytes instead of 16")
            if self.call_uuid is not None:
                raise ProtocolError("a second UUID")
        elif kind not in (Kind.HANGUP, Kind.DTMF, Kind.ERROR):
            raise ProtocolError(f"a frame of the unknown type 0x{kind:02x}")
        elif length > 255:
            raise ProtocolError(f"a frame of type 0x{kind:02x} with {length} bytes")
