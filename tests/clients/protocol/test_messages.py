import json
from enum import StrEnum
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from hypothesis import given, settings
from hypothesis import strategies as st

from dfd.clients import events as ev
from dfd.clients.audio import AudioFormat
from dfd.clients.options import AlertPolicy, StreamOptions, VadEngine, VadOptions
from dfd.clients.protocol import messages, wire
from dfd.messages import from_message, seconds, to_message
from dfd.v1 import detection_pb2 as pb
from tests.clients import said
from tests.clients.protocol import made

responses = made.messages(pb.StreamingDetectResponse.DESCRIPTOR)


def told(message: pb.StreamingDetectResponse) -> ev.ServerEvent | None:
    return wire.event(message)


@settings(max_examples=200, deadline=None)
@given(responses)
def test_a_json_line_is_the_servers_complete_message(message: pb.StreamingDetectResponse) -> None:
    event = told(message)
    if event is None:
        assert message.WhichOneof("response") is None
        return
    line = messages.json_line("call-1", event, file="a.wav")
    assert "\n" not in line
    members = json.loads(line)
    assert members.pop("stream_id") == "call-1"
    assert members.pop("file") == "a.wav"
    message.ClearField("checkpoint")  # internal to the exchange of checkpoints
    assert json_format.ParseDict(members, pb.StreamingDetectResponse()) == message


def field_of(message: Any, name: str) -> Any:
    """Returns the contract's value of an event's field, in the client's units."""
    names = message.DESCRIPTOR.fields_by_name
    base = name.removesuffix("_seconds")
    name = next(base + end for end in ("", "_duration", "_offset") if base + end in names)
    if not names[name].is_repeated and names[name].has_presence and not message.HasField(name):
        return None
    value = getattr(message, name)
    return seconds(value) if base != name or name == "offset" else value


@settings(max_examples=100, deadline=None)
@given(made.messages(pb.WindowResult.DESCRIPTOR), made.messages(pb.ChannelSummary.DESCRIPTOR))
def test_an_event_has_the_values_of_its_message(
    window: pb.WindowResult, channel: pb.ChannelSummary
) -> None:
    event, summary = wire.window(window), from_message(ev.ChannelSummary, channel)
    for name in ("channel", "sequence", "provisional", "final"):
        assert getattr(event, name) == field_of(window, name)
    for name in ("start_seconds", "end_seconds", "speech_seconds", "gap_seconds"):
        assert getattr(event, name) == (field_of(window, name) or 0.0)
    for name in ("window_score", "rolling_score", "cumulative_score"):
        score, found = field_of(window, name), getattr(event, name)
        assert found == (None if score is None else from_message(ev.Score, score))
    for name in ("channel", "mean_spoof_probability", "windows_scored", "windows_shed"):
        assert getattr(summary, name) == field_of(channel, name)
    assert summary.inconclusive_reasons == tuple(channel.inconclusive_reasons)


@pytest.mark.parametrize(
    ("words", "contract", "prefix"),
    [
        (ev.WindowStatus, pb.WindowResult.Status, "STATUS_"),
        (ev.Trigger, pb.Alert.Trigger, "TRIGGER_"),
        (ev.Verdict, pb.Verdict, "VERDICT_"),
        (ev.EndReason, pb.StreamSummary.EndReason, "END_REASON_"),
    ],
)
def test_the_enum_names_match_the_contract(
    words: type[StrEnum], contract: EnumTypeWrapper, prefix: str
) -> None:
    assert [prefix + word.name for word in words] == contract.keys()
    assert [word.value.upper() for word in words] == [word.name for word in words]


@given(st.sampled_from(ev.WindowStatus))
def test_each_status_is_known(status: ev.WindowStatus) -> None:
    assert said.window(status, None).status is status


def test_the_clients_own_events_have_the_same_form() -> None:
    lost = ev.ConnectionLost(
        "UNAVAILABLE", "SERVER_DRAINING", "bye", 0.25, said.summary(ev.EndReason.SERVER_DRAINING)
    )
    assert messages.to_dict(lost)["connection_lost"]["retry_delay"] == "0.25s"
    assert "summary" in messages.to_dict(lost)["connection_lost"]
    again = messages.to_dict(ev.Reconnected(3.0, 1.5, 2))
    assert again == {
        "reconnected": {
            "offset": "3s",
            "lost_duration": "1.5s",
            "attempts": 2,
            "resumed": False,
        }
    }
    assert messages.to_dict(ev.AudioLost(0.0, 0.1)) == {
        "audio_lost": {"offset": "0s", "lost_duration": "0.1s"}
    }


def test_a_message_of_a_later_contract_is_accepted() -> None:
    assert wire.event(pb.StreamingDetectResponse()) is None
    late = pb.WindowResult.FromString(b"\x38\x63")  # status 99
    assert wire.window(late).status is ev.WindowStatus.UNSPECIFIED
    assert wire.encoding(99) is None


def config(audio_format: AudioFormat, options: StreamOptions) -> pb.StreamingDetectConfig:
    return to_message(pb.StreamingDetectConfig, options, audio_format=audio_format)


def test_a_configuration_contains_only_what_was_set() -> None:
    plain = config(AudioFormat(), StreamOptions())
    assert {field.name for field, _ in plain.ListFields()} == {"audio_format", "window_results"}
    full = config(
        AudioFormat("alaw", 8000, 2),  # type: ignore[arg-type]
        StreamOptions(
            stream_id="s",
            model="m",
            labels={"call": "1"},
            channels=(1,),
            window_results=False,
            window_seconds=2.0,
            hop_seconds=0.5,
            vad=VadOptions(
                engine=VadEngine.SILERO,
                aggressiveness=0,
                speech_threshold=0.5,
                hangover_seconds=0.3,
                min_speech_seconds=1.0,
                activity_events=True,
            ),
            alert_policy=AlertPolicy(rolling_threshold=0.5, cooldown_seconds=0.0),
        ),
    )
    assert full.audio_format.encoding == pb.AudioFormat.ENCODING_ALAW
    assert full.vad.HasField("aggressiveness")
    assert full.vad.engine == pb.VadConfig.ENGINE_SILERO
    assert full.window_duration.seconds == 2
    assert full.alert_policy.HasField("cooldown")
    assert not full.alert_policy.HasField("hysteresis")
