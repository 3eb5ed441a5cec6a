"""RTP packets (RFC 3550, section 5) and the payload types that have fixed meanings (RFC 3551)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from dfd.bridges.calls import ProtocolError

_HEADER = struct.Struct(">BBHII")
# RTP audio over UDP: more than any supported codec puts into one packet.
MAX_PACKET_BYTES = 8192


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One packet, without padding, contributors and header extension.

    Attributes:
        timestamp: in units of the payload's clock, modulo 2**32.
        marker: set on the first packet of a talk-spurt.
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    payload: bytes

    def encode(self) -> bytes:
        """Returns the packet as bytes."""
        second = self.payload_type | (0x80 if self.marker else 0)
        return _HEADER.pack(0x80, second, self.sequence, self.timestamp, self.ssrc) + self.payload


def parse(data: bytes) -> RtpPacket:
    """Reads a packet.

    Raises:
        ProtocolError: if it is not RTP, or its header states a wrong length.
    """
    if len(data) < _HEADER.size:
        raise ProtocolError(f"{len(data)} bytes are too few for an RTP header")
    if len(data) > MAX_PACKET_BYTES:
        raise ProtocolError(f"an RTP packet of {len(data)} bytes exceeds {MAX_PACKET_BYTES}")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise ProtocolError(f"RTP version {first >> 6} instead of 2")
    start = _HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        if len(data) < start + 4:
            raise ProtocolError("an RTP header extension that is cut off")
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    end = len(data)
    if first & 0x20:
        padding = data[-1]
        if not 0 < padding <= end - start:
            raise ProtocolError(f"{padding} bytes of padding in an RTP packet of {end}")
        end -= padding
    if start > end:
        raise ProtocolError("an RTP header longer than its packet")
    return RtpPacket(
        second & 0x7F, sequence, timestamp, ssrc, bool(second & 0x80), bytes(data[start:end])
    )


def is_rtcp(data: bytes) -> bool:
    """Returns whether a packet on a shared port is RTCP (RFC 5761, section 4)."""
    return len(data) >= 8 and data[0] >> 6 == 2 and 192 <= data[1] <= 223


def forward(later: int, earlier: int, bits: int) -> int:
    """Returns how far one wrapping counter is ahead of another; negative if it is behind."""
    span = 1 << bits
    distance = (later - earlier) % span
    return distance - span if distance >= span // 2 else distance
