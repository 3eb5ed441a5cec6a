"""Puts ordered packets on a time line, distinguishing lost audio from silence.

The RTP timestamp gives the position of a packet's first sample. A hole in the timestamps with
packets missing is lost audio: a gap. A hole without missing packets is a sender that paused
between talk-spurts, or sent telephone events meanwhile: silence of the same length.
"""

from __future__ import annotations

from dataclasses import dataclass

from dfd.bridges.calls import CallAudio, ProtocolError
from dfd.bridges.media.codecs import Codec, Decoder, make_decoder
from dfd.bridges.media.silence import silence
from dfd.bridges.rtp.jitter import Released
from dfd.bridges.rtp.packets import forward
from dfd.clients.audio import AudioFormat

# A pause longer than this is reported as a gap, since nothing says that the line was silent.
_MAX_SILENCE_SECONDS = 5.0
# A timestamp that runs ahead of the clock by more than this is no position in time.
_MAX_AHEAD_SECONDS = 2.0


@dataclass(slots=True)
class TimelineCounts:
    """The composition of the time line, in frames."""

    audio_frames: int = 0
    gap_frames: int = 0
    silent_frames: int = 0
    overlapping_packets: int = 0
    undecodable_packets: int = 0
    resets: int = 0


class Timeline:
    """Puts one source's packets on the time line of one stream.

    Args:
        codec: codec of the payloads; a change of codec needs another time line.
    """

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self._decoder: Decoder = make_decoder(codec)
        self._frame_bytes = self._decoder.audio_format.bytes_per_frame
        self._next: int | None = None  # timestamp after the last sample
        self._arrival: float | None = None  # arrival of the last audio
        self._lost = 0
        self.counts = TimelineCounts()

    @property
    def audio_format(self) -> AudioFormat:
        """The format of the audio that `push` returns."""
        return self._decoder.audio_format

    def skip(self, released: Released) -> None:
        """Handles a packet that is not audio: it was not lost, and its time passes."""
        if released.restarted:
            self._next = None
        self._lost += released.lost

    def restart(self) -> None:
        """Continues with another source, whose timestamps are unrelated."""
        self._decoder = make_decoder(self.codec)
        self._forget()

    def take_over(self, before: Timeline) -> None:
        """Continues where another codec with the same format and clock stopped."""
        self.counts = before.counts
        self._arrival, self._lost = before._arrival, before._lost
        if before._decoder.ticks_per_second == self._decoder.ticks_per_second:
            self._next = before._next

    def push(self, released: Released) -> list[CallAudio]:
        """Takes an audio packet and returns it with the hole before it."""
        packet = released.packet
        lost, self._lost = self._lost + released.lost, 0
        if released.restarted:
            self._forget()
        try:
            content = self._decoder.decode(packet.payload)
        except ProtocolError:
            self.counts.undecodable_packets += 1
            self._lost = lost + 1
            return []
        frames = len(content) // self._frame_bytes
        if not frames:
            self._lost = lost
            return []
        gap, still, cut = self._place(packet.timestamp, released.arrival, lost, frames)
        if cut >= frames:
            self.counts.overlapping_packets += 1
            return []
        self._next = (packet.timestamp + self._ticks(frames)) & 0xFFFFFFFF
        self._arrival = released.arrival
        content = content[cut * self._frame_bytes :] if cut else content
        self.counts.gap_frames += gap
        self.counts.silent_frames += still
        self.counts.audio_frames += frames - cut
        if still:
            content = silence(self.audio_format, still) + content
        return [CallAudio(content, gap)]

    def _place(
        self, timestamp: int, arrival: float, lost: int, frames: int
    ) -> tuple[int, int, int]:
        """Returns frames of gap, of silence, and frames to leave out as duplicates."""
        rate = self.audio_format.sample_rate_hz
        if self._next is None:
            return self._elapsed(arrival, frames), 0, 0
        ahead = forward(timestamp, self._next, 32)
        hole = ahead * rate // self._decoder.ticks_per_second
        if hole == 0:
            return 0, 0, 0
        if hole < 0:
            if -hole <= rate:
                return 0, 0, -hole
        elif hole <= self._elapsed(arrival, frames) + round(_MAX_AHEAD_SECONDS * rate):
            still = not lost and hole <= round(_MAX_SILENCE_SECONDS * rate)
            return (0, hole, 0) if still else (hole, 0, 0)
        self.counts.resets += 1  # the timestamps jumped, so only the clock can be used
        return self._elapsed(arrival, frames), 0, 0

    def _elapsed(self, arrival: float, frames: int) -> int:
        """Returns the frames that passed by the clock without a packet."""
        seconds = 0.0 if self._arrival is None else max(0.0, arrival - self._arrival)
        return max(0, round(seconds * self.audio_format.sample_rate_hz) - frames)

    def _forget(self) -> None:
        self._next = None
        self.counts.resets += 1

    def _ticks(self, frames: int) -> int:
        return frames * self._decoder.ticks_per_second // self.audio_format.sample_rate_hz
