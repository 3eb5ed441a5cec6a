"""Turns AudioSocket frames into call events: changing rates, DTMF, the mu-law trap."""

from __future__ import annotations

from dfd.bridges.audiosocket.messages import Frame, FrameReader, Kind
from dfd.bridges.calls import CallAudio, CallEnded, CallEvent, CallNote, CallStarted
from dfd.bridges.media.downsample import Downsampler
from dfd.bridges.media.mulaw_trap import MulawTrap
from dfd.clients.audio import MAX_RATE_HZ, AudioFormat, Encoding

MULAW_NOTE = "mulaw_as_slin"


class AudioSocketCall:
    """One connection, without I/O.

    Attributes:
        kind: the audio type that the peer sends; None before the first audio.
    """

    def __init__(self) -> None:
        self.reader = FrameReader()
        self.kind: int | None = None
        self._downsampler: Downsampler | None = None
        self._trap = MulawTrap()

    def feed(self, data: bytes) -> list[CallEvent]:
        """Handles bytes as they arrive.

        Raises:
            ProtocolError: if they are not AudioSocket.
        """
        events: list[CallEvent] = []
        for frame in self.reader.feed(data):
            if frame.rate_hz is not None:
                self._audio(frame, frame.rate_hz, events)
            elif frame.kind == Kind.HANGUP:
                events.append(CallEnded("hang-up"))
                break
            elif frame.kind == Kind.DTMF:
                events.append(CallNote("dtmf"))
            elif frame.kind == Kind.ERROR:
                events.append(CallNote("error", f"Asterisk's error code {frame.payload.hex()}"))
        return events

    def _audio(self, frame: Frame, rate_hz: int, events: list[CallEvent]) -> None:
        if frame.kind != self.kind:
            self.kind = frame.kind
            out_hz = min(rate_hz, MAX_RATE_HZ)
            self._downsampler = Downsampler(rate_hz, out_hz, 1) if out_hz < rate_hz else None
            call_uuid = self.reader.call_uuid
            events.append(
                CallStarted(
                    str(call_uuid),
                    AudioFormat(Encoding.LINEAR16, out_hz, 1),
                    {"call_uuid": str(call_uuid)},
                )
            )
        if self.kind == 0x10 and self._trap.push(frame.payload):
            events.append(CallNote(MULAW_NOTE))
        content = frame.payload
        if self._downsampler is not None:
            content = self._downsampler.push(content)
        if content:
            events.append(CallAudio(content))
