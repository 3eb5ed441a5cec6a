"""Dataclasses and the contract's messages have matching fields."""

from dataclasses import fields
from typing import Any

import pytest
from google.protobuf.message import Message

from dfd.clients import audio, watching
from dfd.clients import events as ev
from dfd.clients import options as asked
from dfd.clients.server_info import Calibration, ErrorRates, Limits, ModelInfo, ServerInfo
from dfd.daemon.wire.events import Timing
from dfd.detector import spec
from dfd.messages import duration, from_message, seconds, to_message, wire_name, words
from dfd.streaming import options
from dfd.streaming import types as core
from dfd.v1 import detection_pb2 as pb

# dataclass, its message, and the fields that only one of them has
PAIRS: list[tuple[type, type[Message], set[str], set[str]]] = [
    (ev.Alert, pb.Alert, {"proto"}, set()),
    (Calibration, pb.Calibration, set(), set()),
    (ev.ChannelSummary, pb.ChannelSummary, set(), set()),
    (ev.Detection, pb.DetectResponse, {"proto"}, set()),
    (ErrorRates, pb.ErrorRates, set(), set()),
    (Limits, pb.Limits, set(), set()),
    (ModelInfo, pb.ModelInfo, set(), set()),
    (ev.Score, pb.Score, set(), set()),
    (ServerInfo, pb.GetServerInfoResponse, {"proto"}, set()),
    (ev.SpeechActivity, pb.SpeechActivity, {"began", "proto"}, {"type"}),
    (ev.StreamWarning, pb.Warning, {"proto"}, set()),
    (ev.Summary, pb.StreamSummary, {"proto"}, set()),
    (
        ev.WindowResult,
        pb.WindowResult,
        {"queue_seconds", "compute_seconds", "batch_size", "proto"},
        {"timing"},
    ),
    (audio.AudioFormat, pb.AudioFormat, set(), set()),
    (asked.AlertPolicy, pb.AlertPolicy, set(), set()),
    (
        asked.StreamOptions,
        pb.StreamingDetectConfig,
        set(),
        {"audio_format", "checkpoints", "resume_state"},
    ),
    (asked.VadOptions, pb.VadConfig, set(), set()),
    (watching.ScorePoint, pb.ScorePoint, set(), set()),
    (watching.WatchedChannel, pb.WatchedChannel, set(), set()),
    (watching.WatchedStream, pb.WatchedStream, {"proto", "started_at"}, {"start_time"}),
    (core.Alert, pb.Alert, set(), set()),
    (core.ChannelSummary, pb.ChannelSummary, set(), set()),
    (core.Score, pb.Score, set(), {"spoof_probability"}),  # a property there
    (core.SpeechActivity, pb.SpeechActivity, {"began"}, {"type"}),
    (core.StreamWarning, pb.Warning, set(), set()),
    (options.AlertPolicy, pb.AlertPolicy, set(), set()),
    (options.AudioFormat, pb.AudioFormat, set(), set()),
    (options.VadOptions, pb.VadConfig, set(), {"min_speech_duration", "activity_events"}),
    (spec.Calibration, pb.Calibration, set(), {"evidence_correlation"}),
    (spec.ErrorRates, pb.ErrorRates, set(), set()),
    (Timing, pb.Timing, set(), set()),
]


@pytest.mark.parametrize(("kind", "message", "ours", "theirs"), PAIRS)
def test_each_field_has_its_counterpart(
    kind: type[Any], message: type[Message], ours: set[str], theirs: set[str]
) -> None:
    contract: Any = message.DESCRIPTOR
    found = {one.name: wire_name(one.name, contract) for one in fields(kind)}
    assert {name for name, wire in found.items() if wire is None} == ours
    known = [wire for wire in found.values() if wire is not None]
    assert len(known) == len(set(known))
    assert set(contract.fields_by_name) - set(known) == theirs


def test_enum_names_match_the_contract() -> None:
    for kind, message in (
        (core.WindowStatus, pb.WindowResult.Status),
        (core.Trigger, pb.Alert.Trigger),
        (core.Verdict, pb.Verdict),
        (core.Encoding, pb.AudioFormat.Encoding),
        (options.VadEngine, pb.VadConfig.Engine),
    ):
        known = set(words(message.DESCRIPTOR).values())
        assert {one.value for one in kind} == known - {"unspecified"}


@pytest.mark.parametrize("value", [0.0, 1e-9, 0.02, 1.999999999, 3600.5])
def test_durations(value: float) -> None:
    message = duration(value)
    assert 0 <= message.nanos < 10**9
    assert seconds(message) == pytest.approx(value, abs=1e-9)


def test_none_leaves_fields_unset() -> None:
    unset = to_message(pb.AlertPolicy, asked.AlertPolicy(hysteresis=0.0))
    assert [field.name for field, _ in unset.ListFields()] == ["hysteresis"]
    assert from_message(asked.AlertPolicy, unset) == asked.AlertPolicy(hysteresis=0.0)


def test_given_fields_take_precedence() -> None:
    alert = core.Alert(core.Trigger.ROLLING, 1, 4.0, core.Score(2.0, 3.0), 0.5, False)
    message = to_message(pb.Alert, alert, offset=9.5, cleared=True)
    read = from_message(ev.Alert, message, channel=7)
    assert (read.offset_seconds, read.channel, read.cleared) == (9.5, 7, True)
    assert read.trigger is ev.Trigger.ROLLING
    assert read.score.spoof_llr == 2.0
    assert read.score.spoof_probability == pytest.approx(alert.score.spoof_probability)
    assert read.proto is message


def test_a_value_of_a_later_contract_is_unspecified() -> None:
    late = pb.Alert.FromString(b"\x08\x63")  # trigger 99
    assert from_message(ev.Alert, late).trigger is ev.Trigger.UNSPECIFIED
