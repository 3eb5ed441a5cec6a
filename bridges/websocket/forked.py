"""Audio forked from FreeSWITCH and jambonz: one JSON text, then 16-bit binary media.

mod_audio_fork (subprotocol `audiostream.drachtio.org`), mod_audio_stream and jambonz'
`listen` verb (subprotocol `audio.jambonz.org`) differ little: jambonz states rate and mix
in its text, the modules of FreeSWITCH leave both to be agreed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfd.bridges.calls import (
    CallAudio,
    CallEvent,
    CallNote,
    CallStarted,
    ProtocolError,
    call_name,
    labels_of,
)
from dfd.bridges.media.downsample import Downsampler
from dfd.bridges.websocket.dialects import json_object, whole
from dfd.clients.audio import AudioFormat, Encoding

_CHANNELS = {"mono": 1, "mixed": 1, "stereo": 2}
_CALL_KEYS = ("callSid", "call_sid", "uuid", "callId", "call_id", "callid", "sipCallId")


class Forked:
    """One forked call.

    Args:
        subprotocols: what the peer may request.
        rate_hz: the rate if the text does not state it.
        channel_count: the channels if the text does not state them.
        fallback_id: the call's id if the text has none.
        labels: further labels, such as the query of the URI; `rate`, `mix` and `channels` in it
            state what was agreed on.
        metadata: whether the first message must be text.
    """

    def __init__(
        self,
        subprotocols: tuple[str, ...],
        *,
        rate_hz: int,
        channel_count: int,
        fallback_id: str,
        labels: Mapping[str, str] | None = None,
        metadata: bool = True,
    ) -> None:
        self.subprotocols = subprotocols
        self._rate_hz = rate_hz
        self._channel_count = channel_count
        self._fallback_id = fallback_id
        self._labels = dict(labels or {})
        self._metadata = metadata
        self._format: AudioFormat | None = None
        self._bytes_per_frame = 2
        self._downsampler: Downsampler | None = None

    def receive(self, message: str | bytes) -> list[CallEvent]:
        """Handles one message.

        Raises:
            ProtocolError: if it is not a message of this dialect.
        """
        if isinstance(message, str):
            if self._format is None:
                return [self._start(_metadata(message, strict=self._metadata))]
            return [_note(message)]
        events: list[CallEvent] = []
        if self._format is None:
            if self._metadata:
                raise ProtocolError("media before the JSON text that opens the call")
            events.append(self._start({}))
        if len(message) % self._bytes_per_frame:
            raise ProtocolError(
                f"media of {len(message)} bytes is not a whole number of frames of"
                f" {self._bytes_per_frame} bytes"
            )
        if self._downsampler is not None:
            message = self._downsampler.push(message)
        if message:
            events.append(CallAudio(message))
        return events

    def end(self) -> list[CallEvent]:
        """Returns nothing, since nothing is held."""
        return []

    def _start(self, message: Mapping[str, Any]) -> CallStarted:
        agreed = self._labels
        rate = message.get("sampleRate", agreed.get("rate", self._rate_hz))
        if isinstance(rate, str) and rate.endswith("k"):
            rate = rate[:-1] + "000"
        rate_hz = whole(rate, "sampleRate", 8000, 192_000)
        mix = message.get("mixType", agreed.get("mix", ""))
        if mix:
            if not isinstance(mix, str) or mix not in _CHANNELS:
                raise ProtocolError(f"the mix {mix!r:.60} is not mono, mixed or stereo")
            channels = _CHANNELS[mix]
        else:
            channels = whole(agreed.get("channels", self._channel_count), "channels", 1, 2)
        self._bytes_per_frame = 2 * channels
        if rate_hz > 48000:
            self._downsampler = Downsampler(rate_hz, 48000, channels)
            rate_hz = 48000
        self._format = AudioFormat(Encoding.LINEAR16, rate_hz, channels)
        call = next(
            (
                message[key]
                for key in _CALL_KEYS
                if isinstance(message.get(key), str) and message[key]
            ),
            agreed.get("call_id", self._fallback_id),
        )
        inner = message.get("metadata")
        labels = labels_of(message, inner if isinstance(inner, dict) else {}, agreed)
        return CallStarted(call_name(call), self._format, labels)


def _metadata(message: str, *, strict: bool) -> dict[str, Any]:
    """Parses the opening text, which can be any text with mod_audio_stream."""
    try:
        return json_object(message)
    except ProtocolError:
        if strict:
            raise
        return {"metadata": {"text": message}}


def _note(message: str) -> CallNote:
    try:
        kind = json_object(message).get("event")
    except ProtocolError:
        return CallNote("text")
    return CallNote("dtmf" if kind == "dtmf" else "text")
