import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.bridges.calls import CallAudio, CallNote, CallStarted, ProtocolError
from dfd.bridges.websocket.chan_websocket import ChanWebsocket
from dfd.clients.audio import Encoding

PLAIN = (
    "MEDIA_START connection_id:media_1 channel:WebSocket/media_1/0x7f channel_id:1755.3"
    " format:slin16 optimal_frame_size:640 ptime:20"
)
JSON = json.dumps(
    {
        "event": "MEDIA_START",
        "connection_id": "media_1",
        "channel": "WebSocket/media_1/0x7f",
        "channel_id": "1755.3",
        "format": "slin16",
        "optimal_frame_size": 640,
        "ptime": 20,
        "channel_variables": {"CALLERID": "+4930123", "DEEP": {"no": 1}},
    }
)


@pytest.mark.parametrize("text", [PLAIN, JSON])
def test_both_formats_of_control_messages(text: str) -> None:
    channel = ChanWebsocket({"queue": "7"})
    (started,) = channel.receive(text)
    assert isinstance(started, CallStarted)
    assert started.call_id == "1755.3"
    assert started.audio_format.sample_rate_hz == 16000
    labels = dict(started.labels)
    assert labels.pop("CALLERID", "+4930123") == "+4930123"
    assert labels == {
        "connection_id": "media_1",
        "channel": "WebSocket/media_1/0x7f",
        "channel_id": "1755.3",
        "codec": "slin16",
        "queue": "7",
    }
    assert channel.receive(bytes(640)) == [CallAudio(bytes(640))]
    assert channel.receive(b"") == []
    assert channel.end() == []


def test_the_first_releases_sent_no_channel_id() -> None:
    text = "MEDIA_START connection_id:e226 channel:WebSocket/x format:ulaw optimal_frame_size:160"
    (started,) = ChanWebsocket().receive(text)
    assert isinstance(started, CallStarted)
    assert started.call_id == "e226"
    assert started.audio_format.encoding is Encoding.MULAW


def test_g722_is_decoded() -> None:
    channel = ChanWebsocket()
    (started,) = channel.receive(PLAIN.replace("slin16", "g722"))
    assert isinstance(started, CallStarted)
    assert started.audio_format.sample_rate_hz == 16000
    (audio,) = channel.receive(bytes(160))
    assert isinstance(audio, CallAudio)
    assert len(audio.content) == 640


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("DTMF_END digit:5 channel_id:1755.3", CallNote("dtmf")),
        ('{"event":"DTMF_END","channel_id":"1","digit":"5"}', CallNote("dtmf")),
        ("MEDIA_XOFF", CallNote("xoff")),
        ("MEDIA_XON", CallNote("xon")),
        ("MEDIA_BUFFERING_COMPLETED abc", CallNote("mark")),
        ('{"event":"ERROR","channel_id":"1","error_text":"bad"}', CallNote("error", "bad")),
    ],
)
def test_notes(text: str, note: CallNote) -> None:
    assert ChanWebsocket().receive(text) == [note]


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([bytes(160)], "before MEDIA_START"),
        ([PLAIN, PLAIN], "second"),
        ([PLAIN, bytes(641)], "half a sample"),
        ([PLAIN.replace("slin16", "opus")], "opus"),
        (["MEDIA_START format:ulaw"], "connection_id"),
        (["MEDIA_START"], "format"),
        (["HELLO"], "HELLO"),
        (['{"event":'], "not JSON"),
    ],
)
def test_invalid_input_is_refused(messages: list[str | bytes], words: str) -> None:
    channel = ChanWebsocket()
    with pytest.raises(ProtocolError, match=words):
        [channel.receive(message) for message in messages]


@given(st.text(max_size=80) | st.binary(max_size=80))
def test_anything_is_read_or_refused(message: str | bytes) -> None:
    channel = ChanWebsocket()
    for one in (message, PLAIN, message):
        with contextlib.suppress(ProtocolError):
            channel.receive(one)
