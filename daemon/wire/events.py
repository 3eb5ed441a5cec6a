"""The core's events as messages of the wire."""

from collections.abc import Sequence
from dataclasses import dataclass

from dfd.daemon.scheduling.batching import MemberOutcome
from dfd.messages import duration, to_message
from dfd.streaming import types as core
from dfd.v1 import detection_pb2 as pb

SERVER_DRAINING = "SERVER_DRAINING"


@dataclass(frozen=True, slots=True)
class Timing:
    """The timing of a scored window."""

    queue_seconds: float
    compute_seconds: float
    batch_size: int


def window_result(
    result: core.WindowResult, timing: Timing | None, members: Sequence[MemberOutcome] = ()
) -> pb.WindowResult:
    """Converts a window's outcome, and those at the members of a fusion or a cascade."""
    return to_message(pb.WindowResult, result, result.window, timing=timing, members=members)


def speech_activity(event: core.SpeechActivity) -> pb.SpeechActivity:
    """Converts speech activity."""
    kind = pb.SpeechActivity.TYPE_BEGIN if event.began else pb.SpeechActivity.TYPE_END
    return to_message(pb.SpeechActivity, event, type=kind)


def draining_words(grace_seconds: float) -> str:
    """Returns the message of a server that is shutting down."""
    return f"the server ends within {grace_seconds:g} s; finish, or connect elsewhere"


def server_warning(reason: str, message: str, offset_seconds: float) -> pb.Warning:
    """Makes a warning about the server, with the stream's position at that time."""
    return pb.Warning(reason=reason, message=message, offset=duration(offset_seconds))


def log_fields(summary: core.ChannelSummary) -> dict[str, object]:
    """Returns the fields of a channel's summary for a line of the log."""
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
