from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from dfd.daemon.errors import StatusError
from dfd.daemon.wire import describe, events, requests
from dfd.messages import duration, to_message
from dfd.streaming import types as core
from dfd.streaming.options import VadEngine
from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import make_spec, stream_config

SPEC = make_spec()


def test_defaults_come_from_the_model() -> None:
    config = pb.StreamingDetectConfig(
        audio_format=pb.AudioFormat(
            encoding=pb.AudioFormat.ENCODING_MULAW, sample_rate_hertz=8000, channel_count=2
        )
    )
    options = requests.session_options(config, SPEC, 8)
    assert options.audio_format.encoding is core.Encoding.MULAW
    assert options.effective_channels == (0, 1)
    assert options.effective_window_seconds == 2.0
    assert options.effective_hop_seconds == 1.0
    assert options.effective_min_speech_seconds == 0.5
    assert options.alert_policy.rolling_threshold == 0.8
    assert options.alert_policy.cumulative_threshold == 0.9
    assert options.vad.engine is VadEngine.WEBRTC
    effective = describe.effective_config(config, "id", options, SPEC)
    assert effective.audio_format == config.audio_format
    assert effective.stream_id == "id"
    assert effective.vad.aggressiveness == options.vad.aggressiveness
    assert not effective.vad.HasField("speech_threshold")
    assert effective.window_duration.ToSeconds() == 2
    again = requests.session_options(effective, SPEC, 8)
    assert again.alert_policy == options.alert_policy
    assert again.effective_hop_seconds == options.effective_hop_seconds


def test_everything_can_be_set() -> None:
    config = stream_config(
        channels=[1],
        vad=pb.VadConfig(
            engine=pb.VadConfig.ENGINE_SILERO,
            speech_threshold=0.25,
            hangover=duration(0.5),
            min_speech_duration=duration(0.75),
        ),
        alert_policy=pb.AlertPolicy(
            rolling_threshold=0.7,
            cumulative_threshold=0.6,
            hysteresis=0.0,
            consecutive_windows=1,
            cooldown=Duration(),
        ),
        window_duration=duration(1.5),
        hop_duration=duration(0.5),
    )
    config.audio_format.channel_count = 2
    options = requests.session_options(config, SPEC, 8)
    assert options.effective_channels == (1,)
    assert options.vad.engine is VadEngine.SILERO
    assert (options.vad.speech_threshold, options.vad.hangover_seconds) == (0.25, 0.5)
    assert options.min_speech_seconds == 0.75
    assert (options.window_seconds, options.hop_seconds) == (1.5, 0.5)
    policy = options.alert_policy
    assert (policy.rolling_threshold, policy.cumulative_threshold) == (0.7, 0.6)
    assert (policy.hysteresis, policy.consecutive_windows, policy.cooldown_seconds) == (0.0, 1, 0.0)
    effective = describe.effective_config(config, "id", options, SPEC)
    assert effective.vad.engine == pb.VadConfig.ENGINE_SILERO
    assert not effective.vad.HasField("aggressiveness")


def _format(**changes: Any) -> dict[str, Any]:
    values = {"encoding": 1, "sample_rate_hertz": 16000, "channel_count": 1} | changes
    return {"audio_format": pb.AudioFormat(**values)}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"audio_format": pb.AudioFormat()}, "INVALID_ENCODING"),
        (_format(encoding=99), "INVALID_ENCODING"),
        (_format(sample_rate_hertz=-8000), "INVALID_SAMPLE_RATE"),
        (_format(sample_rate_hertz=0), "INVALID_SAMPLE_RATE"),
        (_format(sample_rate_hertz=96000), "INVALID_SAMPLE_RATE"),
        (_format(channel_count=0), "INVALID_CHANNEL_COUNT"),
        (_format(channel_count=-1), "INVALID_CHANNEL_COUNT"),
        (_format(channel_count=3), "INVALID_CHANNEL_COUNT"),
        (_format() | {"channels": [1]}, "INVALID_CHANNELS"),
        (_format() | {"channels": [0, 0]}, "INVALID_CHANNELS"),
        (_format() | {"window_duration": Duration(seconds=-1)}, "INVALID_DURATION"),
        (_format() | {"window_duration": Duration(seconds=2, nanos=-5)}, "INVALID_DURATION"),
        (_format() | {"window_duration": Duration(seconds=2**62)}, "INVALID_DURATION"),
        (_format() | {"window_duration": Duration(seconds=3)}, "INVALID_WINDOW"),
        (_format() | {"window_duration": Duration()}, "INVALID_WINDOW"),
        (_format() | {"hop_duration": Duration(nanos=1)}, "INVALID_WINDOW"),
        (_format() | {"vad": pb.VadConfig(engine=77)}, "INVALID_VAD_CONFIG"),  # type: ignore[arg-type]
        (_format() | {"vad": pb.VadConfig(aggressiveness=4)}, "INVALID_VAD_CONFIG"),
        (_format() | {"vad": pb.VadConfig(speech_threshold=float("nan"))}, "INVALID_VAD_CONFIG"),
        (_format() | {"vad": pb.VadConfig(hangover=Duration(seconds=9))}, "INVALID_VAD_CONFIG"),
        (
            _format() | {"vad": pb.VadConfig(min_speech_duration=Duration(seconds=9))},
            "INVALID_VAD_CONFIG",
        ),
        (
            _format() | {"alert_policy": pb.AlertPolicy(rolling_threshold=float("nan"))},
            "INVALID_ALERT_POLICY",
        ),
        (
            _format() | {"alert_policy": pb.AlertPolicy(cumulative_threshold=0.0)},
            "INVALID_ALERT_POLICY",
        ),
        (_format() | {"alert_policy": pb.AlertPolicy(hysteresis=1.0)}, "INVALID_ALERT_POLICY"),
        (
            _format() | {"alert_policy": pb.AlertPolicy(consecutive_windows=-1)},
            "INVALID_ALERT_POLICY",
        ),
    ],
)
def test_invalid_input_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(StatusError) as caught:
        requests.session_options(pb.StreamingDetectConfig(**changes), SPEC, 2)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "config",
    [
        pb.StreamingDetectConfig(stream_id="x" * 201),
        pb.StreamingDetectConfig(labels={str(at): "" for at in range(65)}),
        pb.StreamingDetectConfig(labels={"a": "x" * 1000}),
    ],
)
def test_logged_text_is_bounded(config: pb.StreamingDetectConfig) -> None:
    with pytest.raises(StatusError, match=r"at most|above"):
        requests.check_identity(config)


def test_every_requested_value_is_supported() -> None:
    assert set(requests.ENCODINGS.values()) == set(core.Encoding)
    assert set(requests.ENCODINGS) == set(pb.AudioFormat.Encoding.values()) - {0}
    assert set(requests._ENGINES) == set(pb.VadConfig.Engine.values())


def test_unset_fields_of_a_summary_stay_unset() -> None:
    summary = core.ChannelSummary(
        channel=2,
        verdict=core.Verdict.INCONCLUSIVE,
        inconclusive_reasons=(core.Reason.TOO_LITTLE_SPEECH,),
        cumulative_score=None,
        peak_rolling_score=None,
        mean_spoof_probability=None,
        audio_seconds=1.5,
        speech_seconds=0.0,
        gap_seconds=0.0,
        first_alert_seconds=None,
        windows_scored=0,
        windows_shed=0,
        windows_insufficient_speech=1,
        windows_failed=0,
    )
    message = to_message(pb.ChannelSummary, summary)
    for name in ("cumulative_score", "peak_rolling_score", "mean_spoof_probability"):
        assert not message.HasField(name)
    assert not message.HasField("time_to_first_alert")
    assert message.inconclusive_reasons == ["TOO_LITTLE_SPEECH"]
    assert events.log_fields(summary)["spoof_probability"] is None
