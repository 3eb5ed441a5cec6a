"""What the core says, as messages of the wire."""

from dataclasses import dataclass

from dfd.daemon.wire.requests import duration
from dfd.streaming import types as core
from dfd.v1 import detection_pb2 as pb

_STATUSES = {
    core.WindowStatus.SCORED: pb.WindowResult.STATUS_SCORED,
    core.WindowStatus.INSUFFICIENT_SPEECH: pb.WindowResult.STATUS_INSUFFICIENT_SPEECH,
    core.WindowStatus.SHED: pb.WindowResult.STATUS_SHED,
    core.WindowStatus.FAILED: pb.WindowResult.STATUS_FAILED,
}
_TRIGGERS = {
    core.Trigger.ROLLING: pb.Alert.TRIGGER_ROLLING,
    core.Trigger.CUMULATIVE: pb.Alert.TRIGGER_CUMULATIVE,
}
_VERDICTS = {
    core.Verdict.BONAFIDE: pb.VERDICT_BONAFIDE,
    core.Verdict.SPOOF: pb.VERDICT_SPOOF,
    core.Verdict.INCONCLUSIVE: pb.VERDICT_INCONCLUSIVE,
}

SERVER_DRAINING = "SERVER_DRAINING"


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of a scored window went."""

    queue_seconds: float
    compute_seconds: float
    batch_size: int


def score(value: core.Score | None) -> pb.Score | None:
    """A score; None stays None."""
    if value is None:
        return None
    return pb.Score(
        spoof_probability=value.spoof_probability,
        spoof_llr=value.spoof_llr,
        speech_duration=duration(value.speech_seconds),
    )


def window_result(result: core.WindowResult, timing: Timing | None) -> pb.WindowResult:
    """What became of a window."""
    window = result.window
    spent = None
    if timing is not None:
        spent = pb.Timing(
            queue_delay=duration(timing.queue_seconds),
            compute_duration=duration(timing.compute_seconds),
            batch_size=timing.batch_size,
        )
    return pb.WindowResult(
        channel=window.channel,
        sequence=window.sequence,
        start_offset=duration(window.start_seconds),
        end_offset=duration(window.end_seconds),
        speech_duration=duration(window.speech_seconds),
        gap_duration=duration(window.gap_seconds),
        status=_STATUSES[result.status],
        provisional=window.provisional,
        final=window.final,
        window_score=score(result.window_score),
        rolling_score=score(result.rolling_score),
        cumulative_score=score(result.cumulative_score),
        timing=spent,
    )


def speech_activity(event: core.SpeechActivity) -> pb.SpeechActivity:
    """Speech began or ended."""
    kind = pb.SpeechActivity.TYPE_BEGIN if event.began else pb.SpeechActivity.TYPE_END
    return pb.SpeechActivity(
        type=kind, channel=event.channel, offset=duration(event.offset_seconds)
    )


def alert(event: core.Alert) -> pb.Alert:
    """A threshold was crossed, or crossed back."""
    return pb.Alert(
        trigger=_TRIGGERS[event.trigger],
        channel=event.channel,
        offset=duration(event.offset_seconds),
        score=score(event.score),
        threshold=event.threshold,
        cleared=event.cleared,
    )


def warning(event: core.StreamWarning) -> pb.Warning:
    """Something worth knowing that does not end the stream."""
    return pb.Warning(
        reason=event.reason.value,
        message=event.message,
        channel=event.channel,
        offset=duration(event.offset_seconds),
    )


def draining_words(grace_seconds: float) -> str:
    """The server is about to end."""
    return f"the server ends within {grace_seconds:g} s; finish, or connect elsewhere"


def server_warning(reason: str, message: str, offset_seconds: float) -> pb.Warning:
    """Something about the server, and where the stream was then."""
    return pb.Warning(reason=reason, message=message, offset=duration(offset_seconds))


def channel_summary(summary: core.ChannelSummary) -> pb.ChannelSummary:
    """What a stream says of one channel."""
    first = summary.first_alert_seconds
    return pb.ChannelSummary(
        channel=summary.channel,
        verdict=_VERDICTS[summary.verdict],
        inconclusive_reasons=[reason.value for reason in summary.inconclusive_reasons],
        cumulative_score=score(summary.cumulative_score),
        peak_rolling_score=score(summary.peak_rolling_score),
        audio_duration=duration(summary.audio_seconds),
        speech_duration=duration(summary.speech_seconds),
        gap_duration=duration(summary.gap_seconds),
        time_to_first_alert=None if first is None else duration(first),
        windows_scored=summary.windows_scored,
        windows_shed=summary.windows_shed,
        windows_insufficient_speech=summary.windows_insufficient_speech,
        windows_failed=summary.windows_failed,
        mean_spoof_probability=summary.mean_spoof_probability,
    )


def log_fields(summary: core.ChannelSummary) -> dict[str, object]:
    """The same, as short as a line of the log wants it."""
    cumulative = summary.cumulative_score
    return {
        "channel": summary.channel,
        "verdict": summary.verdict.value,
        "reasons": [reason.value for reason in summary.inconclusive_reasons],
        "spoof_probability": cumulative and round(cumulative.spoof_probability, 4),
        "scored": summary.windows_scored,
        "shed": summary.windows_shed,
        "insufficient_speech": summary.windows_insufficient_speech,
        "failed": summary.windows_failed,
    }
