"""Asterisk's chan_websocket: one text MEDIA_START, then binary media in the channel's codec.

https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/ describes it. Control
messages are plain text, or JSON where chan_websocket.conf says so.
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
from dfd.bridges.media.codecs import Codec, Decoder, make_decoder
from dfd.bridges.websocket.dialects import json_object
from dfd.clients.audio import AudioFormat, Encoding

# Asterisk's names of formats.
_FORMATS = {
    "ulaw": AudioFormat(Encoding.MULAW, 8000),
    "alaw": AudioFormat(Encoding.ALAW, 8000),
    "slin": AudioFormat(Encoding.LINEAR16, 8000),
    "slin12": AudioFormat(Encoding.LINEAR16, 12000),
    "slin16": AudioFormat(Encoding.LINEAR16, 16000),
    "slin24": AudioFormat(Encoding.LINEAR16, 24000),
    "slin32": AudioFormat(Encoding.LINEAR16, 32000),
    "slin44": AudioFormat(Encoding.LINEAR16, 44100),
    "slin48": AudioFormat(Encoding.LINEAR16, 48000),
}
_NOTES = {
    "DTMF_END": "dtmf",
    "MEDIA_XOFF": "xoff",
    "MEDIA_XON": "xon",
    "MEDIA_BUFFERING_COMPLETED": "mark",
    "MEDIA_MARK_PROCESSED": "mark",
    "QUEUE_DRAINED": "drained",
    "STATUS": "status",
    "ERROR": "error",
}


class ChanWebsocket:
    """One channel.

    Args:
        labels: further labels, such as the query of the URI.
    """

    subprotocols: tuple[str, ...] = ("media",)

    def __init__(self, labels: Mapping[str, str] | None = None) -> None:
        self._labels = dict(labels or {})
        self._format: AudioFormat | None = None
        self._decoder: Decoder | None = None

    def receive(self, message: str | bytes) -> list[CallEvent]:
        """Handles one message.

        Raises:
            ProtocolError: if it is not one of chan_websocket's.
        """
        if isinstance(message, bytes):
            return self._media(message)
        name, values = _control(message)
        if name == "MEDIA_START":
            return [self._start(values)]
        if name in _NOTES:
            detail = values.get("error_text", "") if name == "ERROR" else ""
            return [CallNote(_NOTES[name], call_name(detail))]
        raise ProtocolError(f"the control message {name!r:.60} is not one of chan_websocket's")

    def end(self) -> list[CallEvent]:
        """Returns nothing, since nothing is held."""
        return []

    def _start(self, values: Mapping[str, Any]) -> CallStarted:
        if self._format is not None:
            raise ProtocolError("a second MEDIA_START")
        name = values.get("format")
        if name == "g722":
            self._decoder = make_decoder(Codec("G722", 8000))
            audio_format = self._decoder.audio_format
        elif isinstance(name, str) and name in _FORMATS:
            audio_format = _FORMATS[name]
        else:
            known = ", ".join([*_FORMATS, "g722"])
            raise ProtocolError(f"the format {name!r:.60}; dial with c() of one of {known}")
        connection = values.get("channel_id") or values.get("connection_id")
        if not isinstance(connection, str):
            raise ProtocolError("a MEDIA_START without connection_id")
        self._format = audio_format
        variables = values.get("channel_variables")
        labels = labels_of(
            {key: values.get(key, "") for key in ("connection_id", "channel", "channel_id")},
            {"codec": name},
            self._labels,
            variables if isinstance(variables, dict) else {},
        )
        return CallStarted(call_name(connection), audio_format, labels)

    def _media(self, content: bytes) -> list[CallEvent]:
        if self._format is None:
            raise ProtocolError("media before MEDIA_START")
        if self._decoder is not None:
            content = self._decoder.decode(content)
        elif len(content) % self._format.bytes_per_frame:
            raise ProtocolError(f"media of {len(content)} bytes ends in half a sample")
        return [CallAudio(content)] if content else []


def _control(message: str) -> tuple[str, dict[str, Any]]:
    """Parses a control message in either format."""
    if message.lstrip().startswith("{"):
        value = json_object(message)
        return str(value.get("event", "")), value
    name, _, rest = message.strip().partition(" ")
    pairs = (word.partition(":") for word in rest.split())
    return name, {key: value for key, colon, value in pairs if colon}
