"""Offered session descriptions (RFC 8866, RFC 3264): their media lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dfd.bridges.calls import ProtocolError, printable
from dfd.bridges.media.codecs import STATIC_CODECS, Codec
from dfd.bridges.rtp.sdp import KNOWN_CODECS, address_of, rtpmap
from dfd.errors import UserError

MAX_LINES = 16
_DIRECTIONS = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})
_MEDIA = re.compile(r"([\w-]{1,32}) +(\d{1,5})(?:/\d+)? +([\w/-]{1,64})((?: +\S{1,32})*)\s*")


@dataclass(slots=True)
class Line:
    """One m= line with its attributes.

    Attributes:
        kind: "audio", "video", ...
        port: where its owner receives RTP; 0 for an unused line.
        protocol: "RTP/AVP", "RTP/SAVP", ...
        formats: its payload types, as written.
        codecs: the decodable ones among them, in the offered order.
        host: address of its owner; None if there is none.
        direction: direction from its owner's point of view.
        label: label used by SIPREC metadata.
        cryptos: values of a=crypto.
        rtcp_mux: whether RTCP may use the same port.
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    host: str | None = None
    direction: str = "sendrecv"
    label: str = ""
    cryptos: list[str] = field(default_factory=list)
    rtcp_mux: bool = False
    codecs: Mapping[int, Codec] = field(default_factory=dict)
    mapped: dict[int, Codec] = field(default_factory=dict)

    @property
    def sends(self) -> bool:
        """Whether its owner is sending audio on it."""
        return self.direction in ("sendrecv", "sendonly")

    @property
    def secure(self) -> bool:
        """Whether it is SRTP with keys in the description."""
        return self.protocol in ("RTP/SAVP", "RTP/SAVPF")

    @property
    def usable(self) -> bool:
        """Whether it can be accepted at all, apart from keys."""
        known = self.protocol in ("RTP/AVP", "RTP/AVPF") or (self.secure and bool(self.cryptos))
        audio = any(codec.is_audio for codec in self.codecs.values())
        return self.kind == "audio" and self.port > 0 and known and audio


def parse(text: str) -> list[Line]:
    """Parses a description.

    Raises:
        ProtocolError: if it is not one, or has no m= line.
    """
    if not text.startswith("v=0"):
        raise ProtocolError("a session description that does not begin with v=0")
    host: str | None = None
    direction = "sendrecv"
    lines: list[Line] = []
    for row in text.splitlines():
        kind, equals, value = row.strip().partition("=")
        if not equals:
            continue
        line = lines[-1] if lines else None
        if kind == "m":
            if len(lines) >= MAX_LINES:
                raise ProtocolError(f"a session description of more than {MAX_LINES} m= lines")
            lines.append(_media(value, host, direction))
        elif kind == "c":
            found = address_of(value)
            if line is None:
                host = found
            else:
                line.host = found
        elif kind == "a" and line is not None:
            _attribute(line, value)
        elif kind == "a" and value in _DIRECTIONS:
            direction = value
    if not lines:
        raise ProtocolError("a session description without an m= line")
    for line in lines:
        line.codecs = _codecs(line)
        if line.host in ("0.0.0.0", "::"):  # how hold was signalled before RFC 3264
            line.direction = "inactive"
    return lines


def _media(value: str, host: str | None, direction: str) -> Line:
    found = _MEDIA.fullmatch(value)
    if found is None or int(found[2]) > 65535:
        raise ProtocolError("an invalid m= line in the session description")
    return Line(
        found[1].lower(),
        int(found[2]),
        found[3].upper(),
        tuple(found[4].split()),
        host=host,
        direction=direction,
    )


def _attribute(line: Line, value: str) -> None:
    name, _, argument = value.partition(":")
    if value in _DIRECTIONS:
        line.direction = value
    elif name == "label":
        line.label = printable(argument.strip(), 64)
    elif name == "crypto" and len(line.cryptos) < 32:
        line.cryptos.append(argument.strip())
    elif name == "rtcp-mux":
        line.rtcp_mux = True
    elif name == "rtpmap":
        try:
            line.mapped.update(rtpmap(argument.strip()))
        except UserError:
            return  # a codec at an unsupported rate counts as unknown


def _codecs(line: Line) -> dict[int, Codec]:
    numbers = [int(one) for one in line.formats if one.isdecimal() and int(one) < 128]
    return {
        number: codec
        for number in dict.fromkeys(numbers)
        # 101 has no meaning unless the description gives it one
        if (
            codec := line.mapped.get(number) or (STATIC_CODECS.get(number) if number < 96 else None)
        )
        and codec.name in KNOWN_CODECS
        and codec.channels == 1
    }
