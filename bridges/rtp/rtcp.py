"""The part of RTCP (RFC 3550, section 6) that a listener needs: who is sending, and who left."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from dfd.bridges.calls import ProtocolError, printable

_SENDER_REPORT = 200
_SOURCE_DESCRIPTION = 202
_GOODBYE = 203
_CNAME = 1


@dataclass(frozen=True, slots=True)
class RtcpNews:
    """The content of one compound packet.

    Attributes:
        senders: sources that reported what they sent, with their count of packets.
        names: canonical names by source.
        left: sources that said goodbye.
    """

    senders: dict[int, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    left: tuple[int, ...] = ()


def parse(data: bytes) -> RtcpNews:
    """Reads a compound packet.

    Raises:
        ProtocolError: if it is not RTCP, or contains a wrong length.
    """
    senders: dict[int, int] = {}
    names: dict[int, str] = {}
    left: list[int] = []
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise ProtocolError("an RTCP packet that is cut off")
        first, kind, words = struct.unpack_from(">BBH", data, at)
        end = at + 4 * (words + 1)
        if first >> 6 != 2 or end > len(data):
            raise ProtocolError("an RTCP packet of a wrong version or length")
        body = data[at + 4 : end]
        count = first & 0x1F
        if kind == _SENDER_REPORT and len(body) >= 24:
            source, packets = struct.unpack_from(">I12xI", body)
            senders[source] = packets
        elif kind == _SOURCE_DESCRIPTION:
            names.update(_names(body, count))
        elif kind == _GOODBYE:
            if len(body) < 4 * count:
                raise ProtocolError("an RTCP goodbye with too few sources")
            left += struct.unpack_from(f">{count}I", body)
        at = end
    return RtcpNews(senders, names, tuple(left))


def _names(body: bytes, count: int) -> dict[int, str]:
    names: dict[int, str] = {}
    at = 0
    for _ in range(count):
        if len(body) - at < 4:
            raise ProtocolError("an RTCP source description that is cut off")
        source = int.from_bytes(body[at : at + 4])
        at += 4
        while at < len(body) and body[at]:
            if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
                raise ProtocolError("an RTCP source description with an item cut off")
            if body[at] == _CNAME:
                text = body[at + 2 : at + 2 + body[at + 1]]
                names[source] = printable(text.decode("utf-8", "replace"))
            at += 2 + body[at + 1]
        at += 4 - at % 4  # items end with one to four zero bytes
    return names
