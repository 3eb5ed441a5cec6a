import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.bridges.calls import (
    CallAudio,
    CallEnded,
    CallEvent,
    CallNote,
    CallStarted,
    ProtocolError,
)
from dfd.bridges.websocket.twilio import Twilio, signature, signed_by_twilio

FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}


def start(tracks: Any = ("inbound", "outbound"), **more: Any) -> str:
    body = {
        "streamSid": "MZ1",
        "accountSid": "AC1",
        "callSid": "CA1",
        "tracks": list(tracks) if isinstance(tracks, tuple) else tracks,
        "customParameters": {"agent": "Ann", "account_sid": "not this"},
        "mediaFormat": FORMAT,
    }
    message = {"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": body | more}
    return json.dumps(message)


def media(content: bytes, at: int | None = None, track: str = "inbound") -> str:
    body = {"track": track, "chunk": "2", "payload": base64.b64encode(content).decode()}
    if at is not None:
        body["timestamp"] = str(at)
    return json.dumps({"event": "media", "sequenceNumber": "3", "streamSid": "MZ1", "media": body})


def audio(events: list[CallEvent]) -> list[CallAudio]:
    return [event for event in events if isinstance(event, CallAudio)]


def test_a_call_of_one_track() -> None:
    twilio = Twilio({"campaign": "7", "agent": "from the query"})
    assert twilio.receive('{"event":"connected","protocol":"Call","version":"1.0.0"}') == []
    (started,) = twilio.receive(start(("inbound",)))
    assert isinstance(started, CallStarted)
    assert (started.call_id, started.audio_format.channel_count) == ("CA1", 1)
    assert dict(started.labels) == {
        "call_sid": "CA1",
        "stream_sid": "MZ1",
        "account_sid": "AC1",
        "tracks": "inbound",
        "agent": "Ann",
        "campaign": "7",
    }
    assert twilio.receive(media(b"a" * 160, 0)) == [CallAudio(b"a" * 160)]
    assert twilio.receive(media(b"b" * 160, 20)) == [CallAudio(b"b" * 160)]
    assert twilio.receive('{"event":"dtmf","dtmf":{"digit":"4"}}') == [CallNote("dtmf")]
    assert twilio.receive('{"event":"mark","mark":{"name":"m"}}') == [CallNote("mark")]
    (ended,) = twilio.receive('{"event":"stop","stop":{"callSid":"CA1"}}')
    assert isinstance(ended, CallEnded)


def test_two_tracks_are_two_channels() -> None:
    twilio = Twilio()
    twilio.receive(start())
    assert twilio.receive(media(b"a" * 4, 100)) == []
    assert twilio.receive(media(b"b" * 4, 100, "outbound")) == [CallAudio(b"ab" * 4)]
    assert twilio.receive(media(b"a" * 2, None)) == []
    *rest, _ = twilio.receive('{"event":"stop"}')
    assert rest == [CallAudio(b"a\xffa\xff")]
    assert twilio.end() == []


def test_media_dropped_by_twilio_becomes_a_gap() -> None:
    twilio = Twilio()
    twilio.receive(start(("inbound",)))
    twilio.receive(media(b"a" * 160, 40))
    assert audio(twilio.receive(media(b"b" * 160, 160))) == [CallAudio(b"b" * 160, 800)]
    assert audio(twilio.receive(media(b"c" * 160, 185))) == [CallAudio(b"c" * 160)]


def test_a_late_track_starts_at_its_position() -> None:
    twilio = Twilio()
    twilio.receive(start())
    twilio.receive(media(b"a" * 320, 0))
    assert audio(twilio.receive(media(b"b" * 160, 20, "outbound"))) == [
        CallAudio(b"a\xff" * 160),
        CallAudio(b"ab" * 160),
    ]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"\0", "binary"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not an object"),
        ('{"event":"hello"}', "not one of Twilio's"),
        ('{"event":"start"}', "start"),
        (start(mediaFormat={**FORMAT, "encoding": "audio/opus"}), "media format"),
        (start(tracks="inbound"), "tracks"),
        (start(tracks=[]), "tracks"),
        (start(callSid=7, streamSid=8), "callSid"),
        (media(b"a", 0), "before start"),
    ],
)
def test_invalid_input_is_refused(message: str | bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        Twilio().receive(message)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"payload": "%%%"}, "base64"),
        ({"payload": 5}, "base64"),
        ({"payload": "YQ==", "track": "middle"}, "track"),
        ({"payload": "YQ==", "timestamp": "soon"}, "timestamp"),
        ({"payload": "YQ==", "timestamp": -5}, "timestamp"),
        ({"payload": "YQ==", "timestamp": True}, "timestamp"),
        ({"payload": "YQ==", "timestamp": "9" * 5000}, "timestamp"),
    ],
)
def test_inconsistent_media_is_refused(body: dict[str, Any], words: str) -> None:
    twilio = Twilio()
    twilio.receive(start())
    with pytest.raises(ProtocolError, match=words):
        twilio.receive(json.dumps({"event": "media", "media": {"track": "inbound", **body}}))


def test_a_timestamp_that_jumps_an_hour() -> None:
    twilio = Twilio()
    twilio.receive(start())
    twilio.receive(media(b"a", 0))
    with pytest.raises(ProtocolError, match="ten minutes"):
        twilio.receive(media(b"a", 3_600_000))


def test_a_second_start() -> None:
    twilio = Twilio()
    twilio.receive(start())
    with pytest.raises(ProtocolError, match="second"):
        twilio.receive(start())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@given(
    st.sampled_from(["connected", "start", "media", "dtmf", "mark", "stop"]),
    st.dictionaries(
        st.sampled_from(["start", "media", "tracks", "mediaFormat", "payload", "timestamp"]),
        json_values,
    ),
    json_values,
)
def test_any_json_is_read_or_refused(event: str, body: dict[str, Any], other: Any) -> None:
    twilio = Twilio()
    for message in ({"event": event, **body}, {"event": event, event: body}, other):
        with contextlib.suppress(ProtocolError):
            twilio.receive(json.dumps(message))


def test_the_signature_matches_twilios() -> None:
    """HMAC-SHA1 in base64, as `openssl dgst -sha1 -hmac` computes it."""
    url = "wss://example.com/media?a=1"
    right = signature("12345", url)
    assert right == "q+sKv/1qbTrg8wedftU5R+ZZ2ts="
    assert signed_by_twilio("12345", ["wss://other.example/", url], right)
    assert not signed_by_twilio("12346", [url], right)
    assert not signed_by_twilio("12345", [url + "/"], right)
    assert not signed_by_twilio("12345", [url], "")
    assert not signed_by_twilio("12345", [url], "é")
