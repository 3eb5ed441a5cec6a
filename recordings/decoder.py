"""Decodes one link of an input with libav (PyAV): frames of one audio track, as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from dfd.errors import UserError
from dfd.recordings.opus import RATES_HZ, OpusDecoder, native_rate
from dfd.recordings.source import ByteSource, Counted

Block = npt.NDArray[np.int16] | npt.NDArray[np.float32]

MOST_RATE_HZ = 48_000
# What telephony has at least, as the wire contract; and more than any recording has. A damaged
# header may name other rates, from which converting takes hours, or minutes and gigabytes.
LEAST_SOURCE_RATE_HZ, MOST_SOURCE_RATE_HZ = 8_000, 6_144_000
# Playlists and other formats that make libav open further files or addresses are excluded.
_FORMATS = """
    aac ac3 aiff amr amrnb amrwb ape asf au avi caf dsf dts eac3 flac flv gsm ircam loas matroska
    webm mov mp4 m4a 3gp mp3 mpc mpc8 mpeg mpegts nistsphere ogg paf pvf qcp sox tak tta voc w64
    wav wv xwma
"""
_OPTIONS = {"format_whitelist": ",".join(_FORMATS.split()), "err_detect": "crccheck"}
_INTEGER_LAYOUTS = frozenset(("u8", "u8p", "s16", "s16p"))
# Tags and headers between concatenated MP3 files reach the decoder as if they were audio.
_TAGS = (b"ID3", b"TAG", b"APETAGEX")
_MP3_HEADERS = (b"Xing", b"Info", b"VBRI")
_MP3_HEADER_BYTES = 64
_GAP_SECONDS = 0.05
# PyAV reads the pointers to a frame's planes up to a null. A frame has eight pointers itself, and
# behind them there is no null, but the length of a plane: with eight planes or more it would read
# any memory, or crash. Such frames are packed into one plane first.
_MOST_PLANES = 7


def open_container(source: ByteSource, name: str) -> Any:
    """Opens the bytes with libav.

    Raises:
        UserError: if it is not audio.
    """
    try:
        return av.open(source, options=_OPTIONS)
    except (av.FFmpegError, ValueError):
        if isinstance(source, Counted):
            raise UserError(
                f"{name} is not audio that can be read from a pipe here: name the file itself, or"
                " convert it to WAV or FLAC"
            ) from None
        raise UserError(
            f"{name} is not an audio file that can be read here: name a recording, or convert it to"
            " WAV or FLAC"
        ) from None


def is_integer(stream: Any) -> bool:
    """Returns whether the samples have at most 16 bits, so that int16 loses nothing."""
    layout = stream.codec_context.format
    return layout is not None and layout.name in _INTEGER_LAYOUTS


def output_rate(rate: int) -> int:
    """Returns the output rate for a file's rate: the same up to 48 kHz, else a whole fraction."""
    return rate // -(-rate // MOST_RATE_HZ) if rate > MOST_RATE_HZ else rate


class TrackDecoder:
    """Frames of one track as (frames, channels) blocks of int16 or float32.

    Args:
        container, stream: libav's objects.
        integer: whether blocks are int16.
        rate: sample rate of the blocks.
        channels: channels of the blocks.
        declared: rate and channels that frames should have.

    Attributes:
        seconds: duration decoded so far.
        bad_packets: number of packets that could not be decoded.
        first_bad_seconds: position of the first of them.
        missing_seconds: total length of holes, according to the timestamps.
        first_hole_seconds: position of the first hole.
        changes: how often the frames' rate or channels changed.
    """

    def __init__(
        self,
        container: Any,
        stream: Any,
        *,
        integer: bool,
        rate: int,
        channels: int,
        declared: tuple[int, int],
    ) -> None:
        self._container = container
        self._stream = stream
        self.changes = 0
        self._integer = integer
        self._rate = rate
        self._channels = channels
        self._declared = declared
        self._opus: OpusDecoder | None = None
        if rate in RATES_HZ and channels in (1, 2) and native_rate(stream) is not None:
            self._opus = OpusDecoder(rate, channels)
            self.changes = int(stream.codec_context.channels != declared[1])
        self._resampler: Any = None
        self._shape: tuple[int, int] | None = None
        self._expected: float | None = None
        self.seconds = 0.0
        self.bad_packets = 0
        self.first_bad_seconds = 0.0
        self.missing_seconds = 0.0
        self.first_hole_seconds = 0.0

    def blocks(self) -> Iterator[Block]:
        """Decodes to the end; what cannot be decoded is counted and skipped."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except (av.FFmpegError, ValueError):
                self._bad(b"")
                break
            try:
                yield from self._decoded(packet)
            except (av.FFmpegError, ValueError):
                self._bad(bytes(packet)[:256] if packet.size else b"")
        yield from self._flush()

    def _decoded(self, packet: Any) -> Iterator[Block]:
        if self._opus is not None:
            block = self._opus.decode(packet) if packet.size else None
            if block is not None and len(block):
                self._place(packet, len(block), self._rate, self._opus.left_out)
                yield block
            return
        for frame in packet.decode():
            if not LEAST_SOURCE_RATE_HZ <= frame.sample_rate <= MOST_SOURCE_RATE_HZ:
                self._bad(b"")  # of a later link, or the header is damaged
            elif frame.samples:
                self._place(frame, frame.samples, frame.sample_rate)
                yield from self._converted(frame)

    def _bad(self, content: bytes) -> None:
        head = content[:_MP3_HEADER_BYTES]
        if head.startswith(_TAGS) or any(word in head for word in _MP3_HEADERS):
            return
        if not self.bad_packets:
            self.first_bad_seconds = self.seconds
        self.bad_packets += 1

    def _place(self, timed: Any, samples: int, rate: int, left_out: int = 0) -> None:
        """Finds holes: timestamps go back at a new link, and jump ahead over what is missing."""
        seconds = samples / rate
        if timed.pts is not None and timed.time_base is not None:
            at = float(timed.pts * timed.time_base) + left_out / rate
            if self._expected is not None and at > self._expected + _GAP_SECONDS:
                if not self.missing_seconds:
                    self.first_hole_seconds = self.seconds
                self.missing_seconds += at - self._expected
            self._expected = at + seconds
        self.seconds += seconds

    def _converted(self, frame: Any) -> list[Block]:
        """Returns a frame's blocks; none if its layout, from a damaged header, is unusable."""
        try:
            return list(self._convert(frame))
        except (av.FFmpegError, ValueError):
            self._resampler = self._shape = None
            self._bad(b"")
            return []

    def _convert(self, frame: Any) -> Iterator[Block]:
        shape = (frame.sample_rate, frame.layout.nb_channels)
        if shape != self._shape:
            yield from self._flush()
            if self._shape is not None or shape != self._declared:
                self.changes += 1
            self._shape = shape
            many = frame.format.is_planar and shape[1] > _MOST_PLANES
            if many or shape != (self._rate, self._channels):
                self._resampler = av.AudioResampler(
                    format="s16" if self._integer else "flt",
                    layout=frame.layout if shape[1] == self._channels else _layout(self._channels),
                    rate=self._rate,
                )
        if self._resampler is None:
            yield self._samples(frame)
        else:
            for made in self._resampler.resample(frame):
                yield self._samples(made)

    def _flush(self) -> Iterator[Block]:
        """Yields what the resampler still holds."""
        if self._resampler is not None:
            for made in self._resampler.resample(None):
                if made.samples:
                    yield self._samples(made)
        self._resampler = None

    def _samples(self, frame: Any) -> Block:
        data = frame.to_ndarray()
        count = frame.layout.nb_channels
        data = data.T if frame.format.is_planar else data.reshape(-1, count)
        if data.dtype == np.uint8:
            data = (data.astype(np.int16) - 128) << 8
        if self._integer:
            if data.dtype != np.int16:  # a later link with finer samples
                data = np.clip(np.round(_unit(data) * 32768.0), -32768, 32767)
            return np.ascontiguousarray(data, dtype="<i2")
        return np.ascontiguousarray(_unit(data), dtype="<f4")


def _unit(data: Any) -> Any:
    """Scales samples to full scale 1."""
    if data.dtype == np.int16:
        return data.astype(np.float32) / 32768.0
    if data.dtype.kind == "i":
        return data / float(1 << (8 * data.dtype.itemsize - 1))
    return data


def _layout(channels: int) -> str:
    return "mono" if channels == 1 else "stereo" if channels == 2 else f"{channels} channels"
