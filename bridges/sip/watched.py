"""The media of one call as call events: each line is a channel of one stream, on one time line.

Without I/O: the ports pass packets and the time, and call `poll` now and then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dfd.bridges.calls import CallAudio, CallEnded, CallEvent, CallNote, CallStarted
from dfd.bridges.media.codecs import Codec
from dfd.bridges.rtp.packets import RtpPacket
from dfd.bridges.rtp.source import RtpCall
from dfd.bridges.sip.drift import Drift
from dfd.bridges.websocket.tracks import Tracks
from dfd.clients.audio import AudioFormat, Encoding

# How long a line without audio, on hold or silent, delays the others.
_SKEW_SECONDS = 1.0
# Lines are merged in pieces of about this length, not packet by packet.
_PIECE_SECONDS = 0.1
_OLD_SECONDS = 0.3


class WatchedCall:
    """Follows the speakers of one call.

    Args:
        call_id: id of the call.
        rate_hz: sample rate of every line.
        codecs: payload types, for each line.
        labels: what is known about the call.
        hold_seconds: how long the jitter buffers wait for a packet.
    """

    def __init__(
        self,
        call_id: str,
        rate_hz: int,
        codecs: Sequence[Mapping[int, Codec]],
        labels: Mapping[str, str],
        hold_seconds: float = 0.2,
    ) -> None:
        self.call_id = call_id
        self.labels = dict(labels)
        self.audio_format = AudioFormat(Encoding.LINEAR16, rate_hz, len(codecs))
        self.lines = [RtpCall(call_id, one, {}, hold_seconds) for one in codecs]
        self._tracks = Tracks(self.audio_format, _SKEW_SECONDS) if len(codecs) > 1 else None
        self._ends = [0] * len(codecs)
        self._heard = [False] * len(codecs)
        self._hold_seconds = hold_seconds
        self._pieces = [_Piece() for _ in codecs]
        self._drifts = [Drift() for _ in codecs]
        self._piece_bytes = 2 * round(_PIECE_SECONDS * rate_hz)
        self._began: float | None = None  # arrival of the very first packet
        self._now = 0.0

    @property
    def began(self) -> bool:
        """Whether any audio has arrived."""
        return self._began is not None

    def push(self, line: int, packet: RtpPacket, now: float) -> list[CallEvent]:
        """Handles a packet of one line."""
        return self._pass(line, self.lines[line].push(packet, now), now)

    def poll(self, now: float) -> list[CallEvent]:
        """Gives up on packets that were waited for long enough."""
        events: list[CallEvent] = []
        for number, line in enumerate(self.lines):
            if line.waiting:
                events += self._pass(number, line.poll(now), now)
            if self._pieces[number].content and now - self._pieces[number].when > _OLD_SECONDS:
                events += self._put(number)
        return events

    def end(self, reason: str) -> list[CallEvent]:
        """Returns what is held, and the end of the call."""
        events: list[CallEvent] = []
        for number, line in enumerate(self.lines):
            held = [one for one in line.end(reason) if not isinstance(one, CallEnded)]
            events += self._pass(number, held, self._now)
        if self._tracks is not None:
            for number in range(len(self.lines)):
                events += self._put(number)
            events += self._tracks.flush()
        return [*events, CallEnded(reason)]

    def _pass(self, line: int, given: Iterable[CallEvent], now: float) -> list[CallEvent]:
        self._now = now
        events: list[CallEvent] = []
        for event in given:
            match event:
                case CallStarted():
                    # the same format for every line: the answer named one codec for each
                    self.labels.update({"codec": event.labels["codec"]})
                    if self._began is None:
                        self._began = now - self._hold_seconds
                        events.append(CallStarted(self.call_id, self.audio_format, self.labels))
                case CallAudio():
                    events += self._audio(line, event, now)
                case CallNote():
                    events.append(event)
        return events

    def _audio(self, line: int, audio: CallAudio, now: float) -> list[CallAudio]:
        if self._tracks is None or self._began is None:
            return [audio]
        rate = self.audio_format.sample_rate_hz
        frames = len(audio.content) // 2
        begins = self._ends[line] + audio.gap_frames
        expected = round((now - self._began) * rate)  # where audio arriving now ends
        if not self._heard[line]:  # its first packet was held to be joined with others
            self._heard[line] = True
            begins = max(0, expected - round(self._hold_seconds * rate))
        else:
            lag = (expected - begins - frames) / rate
            begins = max(0, begins + round(self._drifts[line].correction(lag, now) * rate))
        self._ends[line] = begins + frames
        piece = self._pieces[line]
        given: list[CallAudio] = []
        if piece.content and piece.end != begins:
            given = self._put(line)
        if not piece.content:
            piece.begins = begins
        piece.content += audio.content
        piece.when = now
        return given + self._put(line) if len(piece.content) >= self._piece_bytes else given

    def _put(self, line: int) -> list[CallAudio]:
        """Merges what was collected of one line with the others."""
        piece = self._pieces[line]
        if self._tracks is None or not piece.content:
            return []
        content = bytes(piece.content)
        piece.content.clear()
        return self._tracks.push(line, content, piece.begins)


@dataclass(slots=True)
class _Piece:
    """Contiguous audio of one line, waiting to be merged with the others."""

    begins: int = 0
    content: bytearray = field(default_factory=bytearray)
    when: float = 0.0

    @property
    def end(self) -> int:
        return self.begins + len(self.content) // 2
