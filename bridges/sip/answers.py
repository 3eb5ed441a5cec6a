"""Makes the answer to an offer (RFC 3264): which lines are received, in which codec, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dfd.bridges.calls import ProtocolError
from dfd.bridges.media.codecs import Codec
from dfd.bridges.sip.offers import Line
from dfd.bridges.sip.srtp import Keys, choose
from dfd.clients.audio import MAX_CHANNELS

# What we offer if the peer makes no offer: one rate, whichever of them is chosen.
OFFERED = {0: Codec("PCMU", 8000), 8: Codec("PCMA", 8000)}


@dataclass(frozen=True, slots=True)
class AcceptedLine:
    """An accepted line of the offer.

    Attributes:
        index: its position among the lines.
        line: the line as offered.
        payload_type, codec: the chosen codec.
        codecs: the chosen codec, and telephone events or comfort noise.
        keys: SRTP keys; None for plain RTP.
    """

    index: int
    line: Line
    payload_type: int
    codec: Codec
    codecs: Mapping[int, Codec]
    keys: Keys | None


def audio_rate(codec: Codec) -> int:
    """Returns the sample rate of a codec's decoded audio."""
    return 16000 if codec.name == "G722" else codec.clock_rate_hz


def select(
    lines: Sequence[Line],
    *,
    srtp_only: bool = False,
    rate_hz: int | None = None,
    most: int = MAX_CHANNELS,
) -> list[AcceptedLine]:
    """Chooses lines and codecs: all accepted lines have one rate, since they become one stream.

    Args:
        lines: lines of the offer.
        srtp_only: whether lines without SRTP are declined.
        rate_hz: rate of the call's existing stream; None if there is none yet.
        most: lines beyond this number are declined.

    Raises:
        ProtocolError: if nothing in the offer can be decoded.
    """
    usable = [
        (index, line, keys)
        for index, line in enumerate(lines)
        if line.usable
        and (keys := choose(line.cryptos) if line.secure else None, keys or not line.secure)[1]
        and (keys or not srtp_only)
    ]
    if not usable:
        raise ProtocolError(_why(lines, srtp_only))
    rate = rate_hz or _common_rate([line for _, line, _ in usable])
    accepted: list[AcceptedLine] = []
    for index, line, keys in usable:
        choice = _pick(line, rate)
        if choice is None or len(accepted) >= most:
            continue
        number, codec = choice
        beside = {
            kind: one
            for kind, one in line.codecs.items()
            if not one.is_audio and one.clock_rate_hz == codec.clock_rate_hz
        }
        accepted.append(AcceptedLine(index, line, number, codec, {number: codec, **beside}, keys))
    if not accepted:
        raise ProtocolError(f"no codec of the new offer has the rate of the call, {rate} Hz")
    return accepted


def _common_rate(lines: Sequence[Line]) -> int:
    """Returns the rate that most lines support, in the first line's order of preference."""
    rates = dict.fromkeys(audio_rate(codec) for codec in lines[0].codecs.values() if codec.is_audio)
    return max(rates, key=lambda rate: sum(_pick(line, rate) is not None for line in lines))


def _pick(line: Line, rate: int) -> tuple[int, Codec] | None:
    return next(
        (
            (number, codec)
            for number, codec in line.codecs.items()
            if codec.is_audio and audio_rate(codec) == rate
        ),
        None,
    )


def _why(lines: Sequence[Line], srtp_only: bool) -> str:
    audio = [line for line in lines if line.kind == "audio" and line.port > 0]
    if not audio:
        return "no line of the offer is audio"
    if not any(codec.is_audio for line in audio for codec in line.codecs.values()):
        return "no codec of the offer is supported: offer PCMU, PCMA, G722, opus or L16"
    if srtp_only and not any(line.secure for line in audio):
        return "only SRTP is accepted: offer RTP/SAVP with a=crypto"
    return "no transport of the offer is supported: offer RTP/AVP, or RTP/SAVP with a=crypto"


def write(
    lines: Sequence[Line],
    accepted: Mapping[int, tuple[AcceptedLine, int]],
    host: str,
    session: tuple[int, int],
) -> bytes:
    """Writes the answer.

    Args:
        lines: lines of the offer; each has a line in the answer.
        accepted: the accepted lines, by position, with their ports.
        host: address for media.
        session: number and version of the description.
    """
    family = "IP6" if ":" in host else "IP4"
    rows = [
        "v=0",
        f"o=dfd {session[0]} {session[1]} IN {family} {host}",
        "s=-",
        f"c=IN {family} {host}",
        "t=0 0",
    ]
    for index, line in enumerate(lines):
        if index not in accepted:
            formats = " ".join(line.formats) or "0"
            rows.append(f"m={line.kind} 0 {line.protocol} {formats}")
            continue
        rows += _taken(line, *accepted[index])
    return ("\r\n".join(rows) + "\r\n").encode()


def _taken(line: Line, accepted: AcceptedLine, port: int) -> list[str]:
    numbers = " ".join(map(str, accepted.codecs))
    rows = [f"m={line.kind} {port} {line.protocol} {numbers}"]
    for number, codec in accepted.codecs.items():
        rows.append(f"a=rtpmap:{number} {_written(codec)}")
        if codec.name == "TELEPHONE-EVENT":
            rows.append(f"a=fmtp:{number} 0-15")
    if line.label:
        rows.append(f"a=label:{line.label}")
    if accepted.keys is not None:
        rows.append(f"a=crypto:{accepted.keys.answer()}")
    if line.rtcp_mux:
        rows.append("a=rtcp-mux")
    rows.append("a=recvonly" if line.sends else "a=inactive")
    return rows


def offer(port: int, host: str, session: tuple[int, int]) -> bytes:
    """Makes the offer to a peer that makes none itself."""
    line = Line("audio", port, "RTP/AVP", ("0", "8"), codecs=OFFERED)
    accepted = AcceptedLine(0, line, 0, OFFERED[0], OFFERED, None)
    return write([line], {0: (accepted, port)}, host, session)


def _written(codec: Codec) -> str:
    if codec.name == "OPUS":
        return "opus/48000/2"  # RFC 7587, whatever is sent
    name = "telephone-event" if codec.name == "TELEPHONE-EVENT" else codec.name
    return f"{name}/{codec.clock_rate_hz}"
