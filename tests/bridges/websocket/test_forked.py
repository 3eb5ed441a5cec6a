import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.bridges.calls import CallAudio, CallNote, CallStarted, ProtocolError
from dfd.bridges.websocket.forked import Forked


def forked(**more: Any) -> Forked:
    options: dict[str, Any] = {"rate_hz": 8000, "channel_count": 1, "fallback_id": "f-1"} | more
    return Forked((), **options)


JAMBONZ = {
    "callSid": "c0ffee",
    "direction": "inbound",
    "from": "+4930123",
    "to": "+4930456",
    "sampleRate": 16000,
    "mixType": "stereo",
    "metadata": {"queue": "fraud"},
}


def test_jambonz_states_rate_and_mix() -> None:
    call = forked()
    (started,) = call.receive(json.dumps(JAMBONZ))
    assert isinstance(started, CallStarted)
    assert started.call_id == "c0ffee"
    assert started.audio_format.sample_rate_hz == 16000
    assert started.audio_format.channel_count == 2
    labels = dict(started.labels)
    assert labels["from"] == "+4930123"
    assert labels["queue"] == "fraud"
    assert call.receive(bytes(1280)) == [CallAudio(bytes(1280))]
    assert call.receive('{"event":"dtmf","dtmf":"1","duration":"1600"}') == [CallNote("dtmf")]
    assert call.receive("hello") == [CallNote("text")]
    assert call.receive(b"") == []


def test_mod_audio_fork_is_configured_by_the_url() -> None:
    call = forked(labels={"rate": "16k", "mix": "stereo"})
    (started,) = call.receive('{"callid":"abc","to":"1"}')
    assert isinstance(started, CallStarted)
    assert started.call_id == "abc"
    assert (started.audio_format.sample_rate_hz, started.audio_format.channel_count) == (16000, 2)


def test_mod_audio_stream_may_send_no_metadata() -> None:
    call = forked(metadata=False, rate_hz=16000, labels={"call_id": "u-1"})
    started, audio = call.receive(bytes(640))
    assert isinstance(started, CallStarted)
    assert (started.call_id, started.audio_format.sample_rate_hz) == ("u-1", 16000)
    assert audio == CallAudio(bytes(640))


def test_mod_audio_stream_may_send_any_text() -> None:
    (started,) = forked(metadata=False).receive("just words")
    assert isinstance(started, CallStarted)
    assert (started.call_id, dict(started.labels)) == ("f-1", {"text": "just words"})


def test_rates_above_the_contracts_maximum_are_resampled() -> None:
    call = forked()
    (started,) = call.receive(json.dumps(JAMBONZ | {"sampleRate": 64000, "mixType": "mono"}))
    assert isinstance(started, CallStarted)
    assert started.audio_format.sample_rate_hz == 48000
    content = b"".join(
        event.content
        for _ in range(50)
        for event in call.receive(bytes(2560))
        if isinstance(event, CallAudio)
    )
    assert len(content) == pytest.approx(2 * 48000, abs=400)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([bytes(320)], "before the JSON"),
        (["words"], "not JSON"),
        (['{"sampleRate":4000}'], "4000"),
        (['{"sampleRate":"fast"}'], "sampleRate"),
        (['{"mixType":"both"}'], "mix"),
        (['{"mixType":"stereo"}', bytes(2)], "whole number of frames"),
    ],
)
def test_invalid_input_is_refused(messages: list[str | bytes], words: str) -> None:
    call = forked()
    with pytest.raises(ProtocolError, match=words):
        [call.receive(message) for message in messages]


@given(
    st.dictionaries(
        st.sampled_from(["sampleRate", "mixType", "callSid", "metadata", "x"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=9)
        | st.lists(st.integers(), max_size=2)
        | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    ),
    st.dictionaries(st.sampled_from(["rate", "mix", "channels"]), st.text(max_size=4)),
)
def test_any_json_is_read_or_refused(said: dict[str, Any], labels: dict[str, str]) -> None:
    try:
        (started,) = forked(labels=labels).receive(json.dumps(said))
    except ProtocolError:
        return
    assert isinstance(started, CallStarted)
