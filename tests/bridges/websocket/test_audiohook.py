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
    Reply,
)
from dfd.bridges.websocket.audiohook import AudioHook
from dfd.clients.audio import Encoding

BOTH = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
ONE = {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}
LINEAR = {"type": "audio", "format": "L16", "channels": ["external", "internal"], "rate": 8000}


class Genesys:
    """Numbers messages as Genesys does."""

    def __init__(self) -> None:
        self.hook = AudioHook({"region": "eu"})
        self.seq = 0

    def say(self, kind: str, **parameters: Any) -> list[CallEvent]:
        self.seq += 1
        message = {
            "version": "2",
            "id": "s-1",
            "type": kind,
            "seq": self.seq,
            "serverseq": 0,
            "position": "PT0S",
            "parameters": parameters,
        }
        return self.hook.receive(json.dumps(message))

    def open(self, *media: Any, conversation: str = "conv-1") -> list[CallEvent]:
        return self.say(
            "open",
            organizationId="org-1",
            conversationId=conversation,
            participant={"id": "p", "ani": "+4930123", "aniName": "Ann", "dnis": "+4930456"},
            media=list(media or (ONE, LINEAR, BOTH)),
            language="en-US",
        )


def reply(event: CallEvent) -> dict[str, Any]:
    assert isinstance(event, Reply)
    message: dict[str, Any] = json.loads(event.message)
    return message


def test_a_session() -> None:
    genesys = Genesys()
    opened, started = genesys.open()
    assert reply(opened) == {
        "version": "2",
        "id": "s-1",
        "type": "opened",
        "seq": 1,
        "clientseq": 1,
        "parameters": {"startPaused": False, "media": [BOTH]},
    }
    assert isinstance(started, CallStarted)
    assert started.call_id == "conv-1"
    assert started.audio_format.encoding is Encoding.MULAW
    assert started.audio_format.channel_count == 2
    assert dict(started.labels) == {
        "conversation_id": "conv-1",
        "session_id": "s-1",
        "organization_id": "org-1",
        "tracks": "external,internal",
        "id": "p",
        "ani": "+4930123",
        "aniName": "Ann",
        "dnis": "+4930456",
        "region": "eu",
    }
    assert genesys.hook.receive(b"ab" * 1600) == [CallAudio(b"ab" * 1600)]
    (pong,) = genesys.say("ping", rtt="PT0.01S")
    assert (reply(pong)["type"], reply(pong)["seq"], reply(pong)["clientseq"]) == ("pong", 2, 2)
    assert genesys.say("dtmf", digit="5") == [CallNote("dtmf")]
    assert genesys.say("paused") == [CallNote("paused")]
    (updated,) = genesys.say("update", language="de-DE")
    assert reply(updated)["type"] == "updated"
    closed, ended = genesys.say("close", reason="end")
    assert reply(closed)["type"] == "closed"
    assert ended == CallEnded("closed: end")
    assert genesys.hook.end() == []


@pytest.mark.parametrize("kind", ["discarded", "resumed"])
def test_discarded_audio_becomes_a_gap(kind: str) -> None:
    genesys = Genesys()
    genesys.open()
    genesys.hook.receive(b"ab")
    assert genesys.say(kind, start="PT1S", discarded="PT1M0.5S") == [CallNote(kind)]
    assert genesys.hook.receive(b"ab") == [CallAudio(b"ab", 60 * 8000 + 4000)]
    assert genesys.hook.receive(b"ab") == [CallAudio(b"ab")]


def test_linear_audio_is_used_if_nothing_else_is_offered() -> None:
    _, started = Genesys().open(LINEAR)
    assert isinstance(started, CallStarted)
    assert started.audio_format.encoding is Encoding.LINEAR16


def test_the_connection_probe_is_not_a_call() -> None:
    genesys = Genesys()
    opened, note = genesys.open(conversation="00000000-0000-0000-0000-000000000000")
    assert reply(opened)["type"] == "opened"
    assert note == CallNote("probe")
    assert genesys.hook.receive(b"ab") == []


@pytest.mark.parametrize(
    "media",
    [
        {"format": "OPUS", "channels": ["external"], "rate": 8000},
        {"format": "PCMU", "channels": ["external"], "rate": 7},
        {"format": "PCMU", "channels": [], "rate": 8000},
        {"format": "PCMU", "channels": [1], "rate": 8000},
        {"format": ["PCMU"], "channels": ["external"], "rate": 8000},
        "PCMU",
    ],
)
def test_unsupported_offers_are_refused(media: Any) -> None:
    with pytest.raises(ProtocolError):
        Genesys().open(media)


def test_invalid_input_is_refused() -> None:
    genesys = Genesys()
    with pytest.raises(ProtocolError, match="before open"):
        genesys.say("ping")
    with pytest.raises(ProtocolError, match="outside"):
        AudioHook().receive(b"ab")
    genesys = Genesys()
    genesys.open()
    with pytest.raises(ProtocolError, match="half a frame"):
        genesys.hook.receive(b"abc")
    with pytest.raises(ProtocolError, match="duration"):
        genesys.say("discarded", discarded="soon")
    with pytest.raises(ProtocolError, match="ten minutes"):
        genesys.say("discarded", discarded="PT11M")
    with pytest.raises(ProtocolError, match="second open"):
        genesys.open()
    genesys.seq += 1
    with pytest.raises(ProtocolError, match="number"):
        genesys.say("ping")
    for wrong in ('{"version":"1"}', '{"version":"2","type":"ping","id":"other","seq":1}'):
        with pytest.raises(ProtocolError):
            genesys.hook.receive(wrong)


@given(st.dictionaries(st.text(max_size=9), st.none() | st.integers() | st.text(max_size=9)))
def test_any_json_is_read_or_refused(body: dict[str, Any]) -> None:
    for message in (body, {"version": "2", "id": "s", "seq": 1, "type": "open", **body}):
        with pytest.raises(ProtocolError):
            AudioHook().receive(json.dumps(message))
