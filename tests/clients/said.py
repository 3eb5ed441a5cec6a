"""Events for tests, made as the client makes them: of the server's messages."""

from dfd.clients import events as ev
from dfd.clients.protocol import wire
from dfd.messages import duration, from_message
from dfd.v1 import detection_pb2 as pb


def score(probability: float = 0.9, llr: float = 2.0, speech: float = 3.0) -> pb.Score:
    """Evidence."""
    return pb.Score(spoof_probability=probability, spoof_llr=llr, speech_duration=duration(speech))


def alert(
    trigger: ev.Trigger = ev.Trigger.ROLLING,
    channel: int = 0,
    seconds: float = 4.0,
    *,
    probability: float = 0.9,
    cleared: bool = False,
) -> ev.Alert:
    """A threshold of 0.8 crossed."""
    return from_message(
        ev.Alert,
        pb.Alert(
            trigger=pb.Alert.Trigger.Value(f"TRIGGER_{trigger.name}"),
            channel=channel,
            offset=duration(seconds),
            score=score(probability),
            threshold=0.8,
            cleared=cleared,
        ),
    )


def warning(reason: str = "CLIPPED", seconds: float = 1.0) -> ev.StreamWarning:
    """A warning about the first channel."""
    return from_message(
        ev.StreamWarning,
        pb.Warning(reason=reason, message=reason.lower(), channel=0, offset=duration(seconds)),
    )


def activity(channel: int, began: bool, seconds: float) -> ev.SpeechActivity:
    """Speech began or ended."""
    kind = pb.SpeechActivity.TYPE_BEGIN if began else pb.SpeechActivity.TYPE_END
    message = pb.SpeechActivity(type=kind, channel=channel, offset=duration(seconds))
    said = wire.event(pb.StreamingDetectResponse(speech_activity=message))
    assert isinstance(said, ev.SpeechActivity)
    return said


def window(status: ev.WindowStatus, evidence: pb.Score | None) -> ev.WindowResult:
    """The first window, its three scores alike."""
    return wire.window(
        pb.WindowResult(
            end_offset=duration(4.0),
            speech_duration=duration(3.0),
            status=pb.WindowResult.Status.Value(f"STATUS_{status.name}"),
            window_score=evidence,
            rolling_score=evidence,
            cumulative_score=evidence,
        )
    )


def summary(reason: ev.EndReason = ev.EndReason.CLIENT_DONE) -> ev.Summary:
    """A last word about no channel."""
    return from_message(
        ev.Summary,
        pb.StreamSummary(end_reason=pb.StreamSummary.EndReason.Value(f"END_REASON_{reason.name}")),
    )


def started(rolling: float = 0.95, cumulative: float = 0.91, **model: object) -> ev.Started:
    """The first word of a server, on a model whose error rates are known."""
    facts = {"name": "bundled", "version": "2026.1", "device": "cpu", "precision": "fp32"}
    rates = pb.ErrorRates(
        threshold=cumulative, false_alarm_rate=0.008, miss_rate=0.69, heard_duration=duration(4.0)
    )
    message = pb.StreamStarted(
        stream_id="call-1",
        model=pb.ModelInfo(error_rates=rates, **(facts | model)),  # type: ignore[arg-type]
        effective_config=pb.StreamingDetectConfig(
            alert_policy=pb.AlertPolicy(rolling_threshold=rolling, cumulative_threshold=cumulative)
        ),
    )
    event = wire.event(pb.StreamingDetectResponse(started=message))
    assert isinstance(event, ev.Started)
    return event
