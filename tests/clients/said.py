"""Events for tests, made from the server's messages as the client makes them."""

from dfd.clients import events as ev
from dfd.clients.protocol import wire
from dfd.messages import duration, from_message
from dfd.v1 import detection_pb2 as pb


def score(probability: float = 0.9, llr: float = 2.0, speech: float = 3.0) -> pb.Score:
    """Makes a score."""
    return pb.Score(spoof_probability=probability, spoof_llr=llr, speech_duration=duration(speech))


def alert(
    trigger: ev.Trigger = ev.Trigger.ROLLING,
    channel: int = 0,
    seconds: float = 4.0,
    *,
    probability: float = 0.9,
    cleared: bool = False,
) -> ev.Alert:
    """Makes an alert at a threshold of 0.8."""
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
    """Makes a warning about the first channel."""
    return from_message(
        ev.StreamWarning,
        pb.Warning(reason=reason, message=reason.lower(), channel=0, offset=duration(seconds)),
    )


def activity(channel: int, began: bool, seconds: float) -> ev.SpeechActivity:
    """Makes an event of starting or ending speech."""
    kind = pb.SpeechActivity.TYPE_BEGIN if began else pb.SpeechActivity.TYPE_END
    message = pb.SpeechActivity(type=kind, channel=channel, offset=duration(seconds))
    said = wire.event(pb.StreamingDetectResponse(speech_activity=message))
    assert isinstance(said, ev.SpeechActivity)
    return said


def window(status: ev.WindowStatus, evidence: pb.Score | None) -> ev.WindowResult:
    """Makes the first window, with three equal scores."""
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
    """Makes a summary without channels."""
    return from_message(
        ev.Summary,
        pb.StreamSummary(end_reason=pb.StreamSummary.EndReason.Value(f"END_REASON_{reason.name}")),
    )


def started(rolling: float = 0.95, cumulative: float = 0.91, **model: object) -> ev.Started:
    """Makes a server's first message, for a model with known error rates."""
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
