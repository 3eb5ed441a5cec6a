"""Twilio Media Streams: JSON text, mu-law in base64, one or both tracks.

https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from dfd.bridges.calls import (
    CallAudio,
    CallEnded,
    CallEvent,
    CallNote,
    CallStarted,
    ProtocolError,
    call_name,
    labels_of,
)
from dfd.bridges.websocket.dialects import MAX_GAP_SECONDS, json_object, member, whole
from dfd.bridges.websocket.tracks import Tracks
from dfd.clients.audio import AudioFormat, Encoding

_RATE_HZ = 8000
_TRACKS = ("inbound", "outbound")
# Timestamps are in milliseconds and jitter; only differences of a whole packet are significant.
_LEAST_GAP_FRAMES = 160


class Twilio:
    """One stream of one call.

    Args:
        labels: further labels, overridden by the stream's own.
    """

    subprotocols: tuple[str, ...] = ()

    def __init__(self, labels: Mapping[str, str] | None = None) -> None:
        self._labels = dict(labels or {})
        self._tracks: Tracks | None = None
        self._names: tuple[str, ...] = ()
        self._began: list[int | None] = []
        self._over = False

    def receive(self, message: str | bytes) -> list[CallEvent]:
        """Handles one message.

        Raises:
            ProtocolError: if it is not one of Twilio's.
        """
        if isinstance(message, bytes):
            raise ProtocolError("a binary message; Twilio sends text")
        value = json_object(message)
        match value.get("event"):
            case "media":
                return [*self._media(member(value, "media"))]
            case "connected":
                return []
            case "start":
                return [self._start(member(value, "start"))]
            case "dtmf":
                return [CallNote("dtmf")]
            case "mark":
                return [CallNote("mark")]
            case "stop":
                return [*self.end(), CallEnded("the stream was stopped")]
        raise ProtocolError(f"the event {value.get('event')!r:.60} is not one of Twilio's")

    def end(self) -> list[CallEvent]:
        """Returns what one track had ahead of the other."""
        if self._tracks is None or self._over:
            return []
        self._over = True
        return [*self._tracks.flush()]

    def _start(self, start: Mapping[str, Any]) -> CallStarted:
        if self._tracks is not None:
            raise ProtocolError("a second start")
        declared = start.get("mediaFormat")
        if isinstance(declared, dict):
            found = [declared.get(key) for key in ("encoding", "sampleRate", "channels")]
            if found[0] != "audio/x-mulaw" or str(found[1]) != "8000" or str(found[2]) != "1":
                raise ProtocolError(f"the media format {found} is not audio/x-mulaw, 8000, 1")
        tracks = start.get("tracks", ["inbound"])
        names = tuple(name for name in _TRACKS if isinstance(tracks, list) and name in tracks)
        if not names:
            raise ProtocolError(f"the tracks {tracks!r:.60} are neither inbound nor outbound")
        audio_format = AudioFormat(Encoding.MULAW, _RATE_HZ, len(names))
        self._names = names
        self._tracks = Tracks(audio_format)
        self._began = [None] * len(names)
        custom = start.get("customParameters")
        labels = labels_of(
            {
                "call_sid": start.get("callSid", ""),
                "stream_sid": start.get("streamSid", ""),
                "account_sid": start.get("accountSid", ""),
                "tracks": ",".join(names),
            },
            custom if isinstance(custom, dict) else {},
            self._labels,
        )
        call = start.get("callSid") or start.get("streamSid")
        if not isinstance(call, str):
            raise ProtocolError("a start without callSid")
        return CallStarted(call_name(call), audio_format, labels)

    def _media(self, media: Mapping[str, Any]) -> list[CallAudio]:
        if self._tracks is None:
            raise ProtocolError("media before start")
        name = media.get("track", "inbound")
        if name not in self._names:
            raise ProtocolError(f"media of the track {name!r:.60}, which start did not name")
        payload = media.get("payload")
        try:
            if not isinstance(payload, str):
                raise ValueError("it is not a string")
            content = base64.b64decode(payload, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ProtocolError(f"a payload that is not base64: {error}") from None
        track = self._names.index(name)
        expected = self._tracks.end_of(track)
        at = media.get("timestamp")
        if at is None:
            return self._tracks.push(track, content)
        position = whole(at, "timestamp", 0, 1 << 40) * _RATE_HZ // 1000
        if self._began[track] is None:
            # Time before the first packet of the call is not a loss.
            first = min((one for one in self._began if one is not None), default=position)
            self._began[track] = first
        origin = self._began[track]
        assert origin is not None
        position -= origin
        if position > expected + MAX_GAP_SECONDS * _RATE_HZ:
            raise ProtocolError(f"the timestamp {at!r:.60} jumps by more than ten minutes")
        displaced = abs(position - expected) >= _LEAST_GAP_FRAMES
        return self._tracks.push(track, content, position if displaced else expected)


def signature(auth_token: str, url: str) -> str:
    """Returns the X-Twilio-Signature that Twilio sends when it opens a WebSocket to a URL."""
    digest = hmac.new(auth_token.encode(), url.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def signed_by_twilio(auth_token: str, urls: list[str], given: str) -> bool:
    """Returns whether a signature matches one of the bridge's URLs."""
    good = False
    for url in urls:
        good |= hmac.compare_digest(signature(auth_token, url).encode(), given.encode())
    return good
