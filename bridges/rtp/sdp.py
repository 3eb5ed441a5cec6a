"""The part of a session description (RFC 8866) that a listener needs: address and codecs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dfd.bridges.media.codecs import NOT_AUDIO, STATIC_CODECS, Codec
from dfd.errors import UserError

KNOWN_CODECS = frozenset({"PCMU", "PCMA", "G722", "L16", "OPUS"}) | NOT_AUDIO
_RTPMAP = re.compile(r"(\d{1,3}) +([^ /]+)/(\d+)(?:/(\d+))?\s*")
_MAX_BYTES = 65536


@dataclass(frozen=True, slots=True)
class AudioMedia:
    """The first audio section of a description.

    Attributes:
        host: its address; None if it has none, or a host name.
        port: port for RTP.
        rtcp_port: port for RTCP; the same port with a=rtcp-mux.
        codecs: codecs by payload type.
        session: name of the session.
    """

    host: str | None
    port: int
    rtcp_port: int
    codecs: Mapping[int, Codec]
    session: str = ""


def parse(text: str) -> AudioMedia:
    """Reads a description.

    Raises:
        UserError: if it holds no audio over plain RTP, or nothing that can be decoded.
    """
    host: str | None = None
    session = ""
    media: list[str] | None = None
    mapped: dict[int, Codec] = {}
    port = rtcp_port = 0
    for line in text.splitlines():
        kind, _, value = line.strip().partition("=")
        if kind == "s" and media is None:
            session = value.strip()
        elif kind == "m":
            if media is not None:
                break
            fields = value.split()
            if fields and fields[0] == "audio":
                media, port = _media(fields)
                rtcp_port = port + 1
        elif kind == "c" and (media is not None or host is None):
            host = address_of(value) or host
        elif kind == "a" and media is not None:
            name, _, argument = value.partition(":")
            if name == "rtpmap":
                mapped.update(rtpmap(argument))
            elif name == "rtcp-mux":
                rtcp_port = port
            elif name == "rtcp" and argument.split()[:1] and argument.split()[0].isdecimal():
                rtcp_port = int(argument.split()[0])
    if media is None:
        raise UserError("the session description has no line m=audio: give one of an audio call")
    codecs = {
        number: codec
        for number in map(int, filter(str.isdecimal, media))
        if (codec := mapped.get(number) or STATIC_CODECS.get(number)) and codec.name in KNOWN_CODECS
    }
    if not any(codec.is_audio for codec in codecs.values()):
        raise UserError(
            "the session description offers no supported codec: offer PCMU, PCMA, G722, L16 or opus"
        )
    return AudioMedia(host, port, rtcp_port, codecs, session)


def read(path: Path) -> AudioMedia:
    """Reads a description from a file.

    Raises:
        UserError: if it cannot be read, or `parse` refuses it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > _MAX_BYTES:
        raise UserError(f"{path} exceeds {_MAX_BYTES} bytes: name a session description")
    try:
        return parse(content.decode("utf-8", "replace"))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def payload(text: str) -> tuple[int, Codec]:
    """Reads "111=opus/48000/2", a payload type and its meaning.

    Raises:
        UserError: if it is anything else.
    """
    number, _, meaning = text.partition("=")
    mapped = rtpmap(f"{number} {meaning}")
    for key, codec in mapped.items():
        if codec.name in KNOWN_CODECS:
            return key, codec
    raise UserError(
        f"{text!r} is not a payload type: write one such as 111=opus/48000 or 96=L16/16000"
    )


def _media(fields: list[str]) -> tuple[list[str], int]:
    """Returns the formats and the port of an m=audio line."""
    number = fields[1].partition("/")[0] if len(fields) > 3 else ""
    if not number.isdecimal() or not 0 < int(number) < 65536:
        raise UserError("the line m=audio of the session description has no port and formats")
    if "SAVP" in fields[2].upper():
        raise UserError(
            "the session description asks for SRTP: use dfd bridge sip, or plain RTP"
            " on a safe network"
        )
    return fields[3:], int(number)


def address_of(value: str) -> str | None:
    """Returns the address of a c= line; None if it has a host name or nothing."""
    fields = value.split()
    try:
        return str(ipaddress.ip_address(fields[2].partition("/")[0]))
    except (IndexError, ValueError):
        return None


def rtpmap(argument: str) -> dict[int, Codec]:
    """Reads the value of a=rtpmap; empty if it makes no sense.

    Raises:
        UserError: if it is a codec at a rate that cannot be decoded.
    """
    found = _RTPMAP.fullmatch(argument)
    if found is None:
        return {}
    number, rate, channels = int(found[1]), int(found[3]), int(found[4] or 1)
    name = found[2].upper()
    if number > 127 or not 0 < rate <= 192_000 or not 0 < channels <= 8:
        return {}
    if name == "L16" and not 8000 <= rate <= 48000:
        raise UserError(f"L16 at {rate} Hz is outside 8000 to 48000: resample it")
    if name in ("PCMU", "PCMA") and not 8000 <= rate <= 48000:
        raise UserError(f"{name} at {rate} Hz is outside 8000 to 48000")
    fixed = {"OPUS": 48000, "G722": 8000}.get(name)
    if fixed is not None and rate != fixed:
        raise UserError(f"{name} has an RTP clock of {fixed} Hz, not {rate}")
    return {number: Codec(name, rate, channels if name == "L16" else 1)}
