"""What the core says, as messages of the wire."""

from dataclasses import dataclass

from dfd.messages import duration, to_message
from dfd.streaming import types as core
from dfd.v1 import detection_pb2 as pb

SERVER_DRAINING = "SERVER_DRAINING"


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of a scored window went."""

    queue_seconds: float
    compute_seconds: float
    batch_size: int


def window_result(result: core.WindowResult, timing: Timing | None) -> pb.WindowResult:
    """What became of a window."""
    return to_message(pb.WindowResult, result, result.window, timing=timing)


def speech_activity(event: core.SpeechActivity) -> pb.SpeechActivity:
    """Speech began or ended."""
    kind = pb.SpeechActivity.TYPE_BEGIN if event.began else pb.SpeechActivity.TYPE_END
    return to_message(pb.SpeechActivity, event, type=kind)


def draining_words(grace_seconds: float) -> str:
    """The server is about to end."""
    return f"the server ends within {grace_seconds:g} s; finish, or connect elsewhere"


def server_warning(reason: str, message: str, offset_seconds: float) -> pb.Warning:
    """Something about the server, and where the stream was then."""
    return pb.Warning(reason=reason, message=message, offset=duration(offset_seconds))


def log_fields(summary: core.ChannelSummary) -> dict[str, object]:
    """What a stream says of one channel, as short as a line of the log wants it."""
    cumulative = summary.cumulative_score
    return {
        "channel": summary.channel,
        "verdict": summary.verdict.value,
        "reasons": [reason.value for reason in summary.inconclusive_reasons],
        "spoof_probability": cumulative and round(cumulative.spoof_probability, 4),
        **{
            status.value: getattr(summary, f"windows_{status.value}")
            for status in core.WindowStatus
        },
        "watermarks": [found.scheme for found in summary.watermarks],
    }
