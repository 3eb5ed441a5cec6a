"""Genesys AudioHook, version 2: a JSON session around binary audio of both sides.

https://developer.genesys.cloud/devapps/audiohook describes it. The customer is the channel
"external", on the left; the agent is "internal", on the right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from dfd.bridges.calls import (
    CallAudio,
    CallEnded,
    CallEvent,
    CallNote,
    CallStarted,
    ProtocolError,
    Reply,
    call_name,
    labels_of,
    printable,
)
from dfd.bridges.websocket.dialects import MAX_GAP_SECONDS, json_object, member, whole
from dfd.clients.audio import AudioFormat, Encoding

_ENCODINGS = {"PCMU": Encoding.MULAW, "L16": Encoding.LINEAR16}
_DURATION = re.compile(r"PT(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?")
_RATES_HZ = (8000, 16000, 44100, 48000)
_PROBE = "00000000-0000-0000-0000-000000000000"


class AudioHook:
    """One session.

    Args:
        labels: further labels.
    """

    subprotocols: tuple[str, ...] = ()

    def __init__(self, labels: Mapping[str, str] | None = None) -> None:
        self._labels = dict(labels or {})
        self._format: AudioFormat | None = None
        self._session = ""
        self._heard = 0  # the client's last sequence number
        self._said = 0
        self._gap = 0
        self._probe = False
        self._closed = False

    def receive(self, message: str | bytes) -> list[CallEvent]:
        """Handles one message.

        Raises:
            ProtocolError: if it is not one of AudioHook's.
        """
        if isinstance(message, bytes):
            return self._audio(message)
        value = json_object(message)
        kind, parameters = self._checked(value)
        if kind == "open":
            return self._open(parameters)
        if self._format is None:
            raise ProtocolError(f"the message {kind!r:.60} before open")
        match kind:
            case "ping":
                return [self._reply("pong", {})]
            case "close":
                self._closed = True
                reason = printable(parameters.get("reason", ""))
                return [self._reply("closed", {}), CallEnded(f"closed: {reason}")]
            case "discarded" | "resumed":
                self._gap += self._frames(parameters.get("discarded"))
                return [CallNote(kind)]
            case "update":
                return [self._reply("updated", {})]
            case "error":
                return [CallNote("error", printable(parameters.get("message", "")))]
        return [CallNote(printable(kind, 32))]  # paused, dtmf, and future messages

    def end(self) -> list[CallEvent]:
        """Returns nothing, since nothing is held."""
        return []

    def _checked(self, value: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Checks the envelope that every message has."""
        kind = value.get("type")
        session = value.get("id")
        if value.get("version") != "2" or not isinstance(kind, str):
            raise ProtocolError("a message that is not AudioHook version 2")
        if not isinstance(session, str) or (self._session and session != self._session):
            raise ProtocolError("a message of another session")
        sequence = whole(value.get("seq"), "seq", 1, 1 << 53)
        if sequence != self._heard + 1:
            raise ProtocolError(f"the message number {sequence} after {self._heard}")
        self._session = session
        self._heard = sequence
        return kind, member(value, "parameters")

    def _open(self, parameters: Mapping[str, Any]) -> list[CallEvent]:
        if self._format is not None:
            raise ProtocolError("a second open")
        offered = parameters.get("media")
        best = max(
            (one for one in offered if _usable(one)) if isinstance(offered, list) else (),
            key=lambda one: (len(one["channels"]), one["format"] == "PCMU"),
            default=None,
        )
        if best is None:
            raise ProtocolError("an open that offers neither PCMU nor L16")
        channels = best["channels"]
        self._format = AudioFormat(_ENCODINGS[best["format"]], best["rate"], len(channels))
        opened = self._reply("opened", {"startPaused": False, "media": [best]})
        conversation = parameters.get("conversationId")
        if conversation == _PROBE:  # a connection probe by Genesys: not a call
            self._probe = True
            return [opened, CallNote("probe")]
        participant = parameters.get("participant")
        labels = labels_of(
            {
                "conversation_id": conversation if isinstance(conversation, str) else "",
                "session_id": self._session,
                "organization_id": str(parameters.get("organizationId", "")),
                "tracks": ",".join(channels),
            },
            participant if isinstance(participant, dict) else {},
            self._labels,
        )
        name = conversation if isinstance(conversation, str) else self._session
        return [opened, CallStarted(call_name(name), self._format, labels)]

    def _audio(self, content: bytes) -> list[CallEvent]:
        if self._format is None or self._closed:
            raise ProtocolError("audio outside an open session")
        if self._probe:
            return []
        if len(content) % self._format.bytes_per_frame:
            raise ProtocolError(f"audio of {len(content)} bytes ends in half a frame")
        gap, self._gap = self._gap, 0
        return [CallAudio(content, gap)]

    def _frames(self, duration: object) -> int:
        """Returns the frames of an ISO 8601 duration."""
        found = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
        if found is None or self._format is None:
            raise ProtocolError(f"{duration!r:.60} is not a duration")
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        length = hours * 3600 + minutes * 60 + seconds
        if length > MAX_GAP_SECONDS:
            raise ProtocolError(f"{duration!r:.60} is more than ten minutes")
        return self._format.frames(length)

    def _reply(self, kind: str, parameters: Mapping[str, Any]) -> Reply:
        self._said += 1
        return Reply(
            json.dumps(
                {
                    "version": "2",
                    "id": self._session,
                    "type": kind,
                    "seq": self._said,
                    "clientseq": self._heard,
                    "parameters": parameters,
                }
            )
        )


def _usable(media: object) -> bool:
    if not isinstance(media, dict) or media.get("format") not in list(_ENCODINGS):
        return False
    channels, rate = media.get("channels"), media.get("rate")
    good = isinstance(channels, list) and all(isinstance(one, str) for one in channels)
    return good and len(channels or ()) in (1, 2) and isinstance(rate, int) and rate in _RATES_HZ
