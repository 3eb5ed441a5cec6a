import json

from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from dfd.clients import events as ev
from dfd.clients.options import AlertPolicy
from dfd.clients.protocol import messages, requests, wire
from dfd.v1 import detection_pb2 as pb

spans = st.integers(0, 10**14).map(lambda nanos: float(nanos / 1e9))
probabilities = st.floats(0, 1, width=32)
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
counts = st.integers(0, 2**31 - 1)
scores = st.builds(ev.Score, probabilities, st.floats(-60, 60, width=32), spans)
maybe_scores = st.none() | scores
policies = st.builds(
    AlertPolicy,
    rolling_threshold=st.none() | probabilities,
    cumulative_threshold=st.none() | probabilities,
    hysteresis=st.none() | probabilities,
    consecutive_windows=st.none() | st.integers(1, 100),
    cooldown_seconds=st.none() | spans,
)
models = st.builds(
    ev.ModelInfo,
    *(words, words, words, spans, spans, counts, words, words, words, words, words),
    *(st.booleans(), words, words, spans),
)
limits = st.builds(ev.Limits, counts, st.none() | spans, st.none() | spans, counts, counts)
some = st.integers(1, 10**9).map(lambda nanos: float(nanos / 1e9))
started = st.builds(
    ev.Started, words, models, limits, st.lists(counts).map(tuple), some, some, policies
)
windows = st.builds(
    ev.WindowResult,
    counts,
    counts,
    spans,
    spans,
    spans,
    spans,
    st.sampled_from(ev.WindowStatus),
    st.booleans(),
    st.booleans(),
    maybe_scores,
    maybe_scores,
    maybe_scores,
    spans,
    spans,
    counts,
)
activities = st.builds(ev.SpeechActivity, counts, st.booleans(), spans)
alerts = st.builds(
    ev.Alert, st.sampled_from(ev.Trigger), counts, spans, scores, probabilities, st.booleans()
)
warnings = st.builds(ev.StreamWarning, words, words, st.none() | counts, spans)
channels = st.builds(
    ev.ChannelSummary,
    counts,
    st.sampled_from(ev.Verdict),
    st.lists(words, max_size=3).map(tuple),
    maybe_scores,
    maybe_scores,
    st.none() | probabilities,
    spans,
    spans,
    spans,
    st.none() | spans,
    counts,
    counts,
    counts,
    counts,
)
summaries = st.builds(
    ev.Summary, st.lists(channels, max_size=3).map(tuple), st.sampled_from(ev.EndReason)
)
server_events = st.one_of(started, windows, activities, alerts, warnings, summaries)


@settings(max_examples=300)
@given(server_events)
def test_there_and_back_again(event: ev.ServerEvent) -> None:
    sent = messages.response(event).SerializeToString()
    assert wire.event(pb.StreamingDetectResponse.FromString(sent)) == event


@settings(max_examples=100)
@given(server_events)
def test_a_json_line_is_the_contracts_own_form(event: ev.ServerEvent) -> None:
    line = messages.json_line("call-1", event, file="a.wav")
    assert "\n" not in line
    said = json.loads(line)
    assert said.pop("stream_id") == "call-1"
    assert said.pop("file") == "a.wav"
    read = json_format.ParseDict(said, pb.StreamingDetectResponse())
    assert wire.event(read) == event


def test_what_the_client_says_has_the_same_shape() -> None:
    summary = ev.Summary((), ev.EndReason.SERVER_DRAINING)
    lost = ev.ConnectionLost("UNAVAILABLE", "SERVER_DRAINING", "bye", 0.25, summary)
    assert messages.to_dict(lost)["connection_lost"]["retry_delay"] == "0.25s"
    assert "summary" in messages.to_dict(lost)["connection_lost"]
    again = messages.to_dict(ev.Reconnected(3.0, 1.5, 2))
    assert again == {"reconnected": {"offset": "3s", "lost_duration": "1.5s", "attempts": 2}}
    assert messages.to_dict(ev.AudioLost(0.0, 0.1)) == {
        "audio_lost": {"offset": "0s", "lost_duration": "0.1s"}
    }


def test_an_answer_of_a_later_contract_does_no_harm() -> None:
    assert wire.event(pb.StreamingDetectResponse()) is None
    late = pb.WindowResult.FromString(b"\x38\x63")  # status 99
    assert wire.window(late).status is ev.WindowStatus.UNSPECIFIED
    assert wire.encoding(99) is None


def test_a_configuration_carries_nothing_that_was_not_asked() -> None:
    from dfd.clients.audio import AudioFormat
    from dfd.clients.options import StreamOptions, VadEngine, VadOptions

    plain = requests.config(AudioFormat(), StreamOptions())
    assert {field.name for field, _ in plain.ListFields()} == {"audio_format", "window_results"}
    full = requests.config(
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
