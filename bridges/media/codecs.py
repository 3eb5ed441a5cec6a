"""The codecs of RTP audio: payloads in, 16-bit little-endian samples out.

G.711 is decoded by table and L16 by swapping bytes; G.722 and Opus are decoded by FFmpeg's
libraries through PyAV, which is imported only if one of them is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dfd.bridges.calls import ProtocolError
from dfd.bridges.media import g711
from dfd.clients.audio import AudioFormat, Encoding
from dfd.errors import UserError

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext

# Payloads that are not speech (RFC 4733, RFC 3389); they keep their place in time but are left out.
NOT_AUDIO = frozenset({"TELEPHONE-EVENT", "CN"})


@dataclass(frozen=True, slots=True)
class Codec:
    """The codec of a payload, as named by a=rtpmap.

    Attributes:
        name: in upper case, "PCMU".
        clock_rate_hz: unit of the RTP timestamps; not the audio's rate for G722.
        channels: interleaved channels of L16; Opus is always decoded to one.
    """

    name: str
    clock_rate_hz: int
    channels: int = 1

    @property
    def is_audio(self) -> bool:
        """Whether the payload contains sound."""
        return self.name not in NOT_AUDIO


# RFC 3551, table 4; 13 is comfort noise. 101 is used for telephone-event by nearly everyone.
STATIC_CODECS = {
    0: Codec("PCMU", 8000),
    8: Codec("PCMA", 8000),
    9: Codec("G722", 8000),
    10: Codec("L16", 44100, 2),
    11: Codec("L16", 44100, 1),
    13: Codec("CN", 8000),
    101: Codec("TELEPHONE-EVENT", 8000),
}


class Decoder(Protocol):
    """One source's decoder, which may keep state between payloads.

    Attributes:
        audio_format: format of the decoded audio.
        ticks_per_second: rate of the RTP clock.
    """

    audio_format: AudioFormat
    ticks_per_second: int

    def decode(self, payload: bytes) -> bytes:
        """Returns whole frames of 16-bit samples.

        Raises:
            ProtocolError: if the payload cannot be decoded.
        """


class _G711:
    def __init__(self, codec: Codec) -> None:
        self.audio_format = AudioFormat(Encoding.LINEAR16, codec.clock_rate_hz, 1)
        self.ticks_per_second = codec.clock_rate_hz
        self._samples = g711.mulaw_samples if codec.name == "PCMU" else g711.alaw_samples

    def decode(self, payload: bytes) -> bytes:
        return self._samples(payload).tobytes()


class _L16:
    def __init__(self, codec: Codec) -> None:
        self.audio_format = AudioFormat(Encoding.LINEAR16, codec.clock_rate_hz, codec.channels)
        self.ticks_per_second = codec.clock_rate_hz

    def decode(self, payload: bytes) -> bytes:
        if len(payload) % self.audio_format.bytes_per_frame:
            raise ProtocolError(f"an L16 payload of {len(payload)} bytes ends in half a frame")
        return np.frombuffer(payload, ">i2").astype("<i2").tobytes()


class _Av:
    """A decoder from FFmpeg."""

    def __init__(self, library_name: str, codec: Codec, rate_hz: int) -> None:
        self.audio_format = AudioFormat(Encoding.LINEAR16, rate_hz, 1)
        self.ticks_per_second = codec.clock_rate_hz
        self._library_name = library_name
        self._context = self._open()

    def _open(self) -> AudioCodecContext:
        import av
        from av.audio.codeccontext import AudioCodecContext

        context = av.CodecContext.create(self._library_name, "r")
        assert isinstance(context, AudioCodecContext)
        context.layout = "mono"
        context.sample_rate = self.audio_format.sample_rate_hz
        return context

    def decode(self, payload: bytes) -> bytes:
        if not payload:  # the library would take it as the end of the stream
            return b""
        import av

        try:
            frames = self._context.decode(av.Packet(payload))
        except (av.FFmpegError, EOFError) as error:
            raise ProtocolError(f"a payload that {self._library_name} cannot decode") from error
        return b"".join(bytes(one.planes[0])[: 2 * one.samples] for one in frames)


def make_decoder(codec: Codec) -> Decoder:
    """Makes a decoder for one source.

    Raises:
        UserError: if there is none for this codec.
    """
    match codec.name:
        case "PCMU" | "PCMA":
            return _G711(codec)
        case "L16":
            return _L16(codec)
        case "G722":
            return _Av("g722", codec, 2 * codec.clock_rate_hz)
        case "OPUS":
            return _Av("libopus", codec, codec.clock_rate_hz)
    raise UserError(f"the codec {codec.name} is not supported: offer PCMU, PCMA, G722, L16 or opus")
