"""Converts the contract's responses to the client's events."""

from enum import StrEnum
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration

from dfd.clients import events as ev
from dfd.clients.audio import Encoding
from dfd.clients.options import AlertPolicy
from dfd.v1 import detection_pb2 as pb

_E = TypeVar("_E", bound=StrEnum)

_STATUS = pb.WindowResult.Status
_TRIGGER = pb.Alert.Trigger
_END = pb.StreamSummary.EndReason
_ENCODING = pb.AudioFormat.Encoding
_ACTIVITY = pb.SpeechActivity.Type


def seconds(message: Duration) -> float:
    """Converts a `Duration` to seconds."""
    return float((message.seconds * 1_000_000_000 + message.nanos) / 1e9)


def _word(kind: type[_E], prefix: str, name: str, default: _E) -> _E:
    """Returns the member for an enum value of the contract; `default` for an unknown value."""
    try:
        return kind(name.removeprefix(prefix).lower())
    except ValueError:
        return default


def _name(wrapper: object, number: int) -> str:
    try:
        return str(wrapper.Name(number))  # type: ignore[attr-defined]
    except ValueError:
        return ""


def event(message: pb.StreamingDetectResponse) -> ev.ServerEvent | None:
    """Converts one response; None for a kind that this client does not know yet."""
    kind = message.WhichOneof("response")
    match kind:
        case "started":
            return _started(message.started)
        case "window":
            return window(message.window)
        case "speech_activity":
            said = message.speech_activity
            return ev.SpeechActivity(
                said.channel,
                said.type == _ACTIVITY.TYPE_BEGIN,
                seconds(said.offset),
                proto=said,
            )
        case "alert":
            return alert(message.alert)
        case "summary":
            return summary(message.summary)
        case "warning":
            return warning(message.warning)
    return None


def _started(message: pb.StreamStarted) -> ev.Started:
    effective, served = message.effective_config, model(message.model)
    return ev.Started(
        stream_id=message.stream_id,
        model=served,
        limits=limits(message.limits),
        channels=tuple(effective.channels),
        window_seconds=seconds(effective.window_duration) or served.window_seconds,
        hop_seconds=seconds(effective.hop_duration) or served.hop_seconds,
        alert_policy=policy(effective.alert_policy),
        proto=message,
    )


def encoding(number: int) -> Encoding | None:
    """Converts an encoding; None for one that this client does not know."""
    word = _name(_ENCODING, number).removeprefix("ENCODING_").lower()
    return Encoding(word) if word in set(Encoding) else None


def policy(message: pb.AlertPolicy) -> AlertPolicy:
    """Converts an alert policy; unset fields become None."""
    has = message.HasField
    return AlertPolicy(
        rolling_threshold=message.rolling_threshold if has("rolling_threshold") else None,
        cumulative_threshold=message.cumulative_threshold if has("cumulative_threshold") else None,
        hysteresis=message.hysteresis if has("hysteresis") else None,
        consecutive_windows=message.consecutive_windows or None,
        cooldown_seconds=seconds(message.cooldown) if has("cooldown") else None,
    )


def model(message: pb.ModelInfo) -> ev.ModelInfo:
    """Converts a served model."""
    return ev.ModelInfo(
        name=message.name,
        version=message.version,
        weights_sha256=message.weights_sha256,
        window_seconds=seconds(message.window_duration),
        hop_seconds=seconds(message.hop_duration),
        sample_rate_hz=message.sample_rate_hertz,
        device=message.device,
        precision=message.precision,
        engine=message.engine,
        layout=message.layout,
        spoof_label=message.spoof_label,
        normalize=message.normalize,
        padding=message.padding,
        utterance_score=message.utterance_score,
        min_speech_seconds=seconds(message.min_speech_duration),
        error_rates=_error_rates(message.error_rates) if message.HasField("error_rates") else None,
        calibration=_calibration(message.calibration) if message.HasField("calibration") else None,
    )


def _error_rates(message: pb.ErrorRates) -> ev.ErrorRates:
    # float32 on the wire: 0.85 must not come back as 0.850000023841858
    shares = (message.threshold, message.false_alarm_rate, message.miss_rate)
    threshold, false_alarm, miss = (float(f"{share:.7g}") for share in shares)
    return ev.ErrorRates(threshold, false_alarm, miss, seconds(message.heard_duration))


def _calibration(message: pb.Calibration) -> ev.Calibration:
    values = (message.scale, message.offset, message.evidence_correlation)
    scale, offset, correlation = (float(f"{value:.7g}") for value in values)
    return ev.Calibration(scale, offset, correlation)


def limits(message: pb.Limits) -> ev.Limits:
    """Converts the server's limits."""
    idle, longest = message.HasField("idle_timeout"), message.HasField("max_stream_duration")
    return ev.Limits(
        max_chunk_bytes=message.max_chunk_bytes,
        idle_timeout_seconds=seconds(message.idle_timeout) if idle else None,
        max_stream_seconds=seconds(message.max_stream_duration) if longest else None,
        max_recording_bytes=message.max_recording_bytes,
        max_channel_count=message.max_channel_count,
    )


def score(message: pb.Score) -> ev.Score:
    """Converts a score."""
    return ev.Score(message.spoof_probability, message.spoof_llr, seconds(message.speech_duration))


def window(message: pb.WindowResult) -> ev.WindowResult:
    """Converts a window's outcome."""
    has = message.HasField
    return ev.WindowResult(
        channel=message.channel,
        sequence=message.sequence,
        start_seconds=seconds(message.start_offset),
        end_seconds=seconds(message.end_offset),
        speech_seconds=seconds(message.speech_duration),
        gap_seconds=seconds(message.gap_duration),
        status=_word(
            ev.WindowStatus,
            "STATUS_",
            _name(_STATUS, message.status),
            ev.WindowStatus.UNSPECIFIED,
        ),
        provisional=message.provisional,
        final=message.final,
        window_score=score(message.window_score) if has("window_score") else None,
        rolling_score=score(message.rolling_score) if has("rolling_score") else None,
        cumulative_score=score(message.cumulative_score) if has("cumulative_score") else None,
        queue_seconds=seconds(message.timing.queue_delay),
        compute_seconds=seconds(message.timing.compute_duration),
        batch_size=message.timing.batch_size,
        proto=message,
    )


def alert(message: pb.Alert) -> ev.Alert:
    """Converts an alert."""
    name = _name(_TRIGGER, message.trigger)
    return ev.Alert(
        trigger=_word(ev.Trigger, "TRIGGER_", name, ev.Trigger.UNSPECIFIED),
        channel=message.channel,
        offset_seconds=seconds(message.offset),
        score=score(message.score),
        threshold=message.threshold,
        cleared=message.cleared,
        proto=message,
    )


def warning(message: pb.Warning) -> ev.StreamWarning:
    """Converts a warning."""
    return ev.StreamWarning(
        reason=message.reason,
        message=message.message,
        channel=message.channel if message.HasField("channel") else None,
        offset_seconds=seconds(message.offset),
        proto=message,
    )


def summary(message: pb.StreamSummary) -> ev.Summary:
    """Converts a summary."""
    name = _name(_END, message.end_reason)
    return ev.Summary(
        channels=tuple(channel(one) for one in message.channels),
        end_reason=_word(ev.EndReason, "END_REASON_", name, ev.EndReason.UNSPECIFIED),
        proto=message,
    )


def channel(message: pb.ChannelSummary) -> ev.ChannelSummary:
    """Converts the result for one channel."""
    has = message.HasField
    name = _name(pb.Verdict, message.verdict)
    return ev.ChannelSummary(
        channel=message.channel,
        verdict=_word(ev.Verdict, "VERDICT_", name, ev.Verdict.UNSPECIFIED),
        inconclusive_reasons=tuple(message.inconclusive_reasons),
        cumulative_score=score(message.cumulative_score) if has("cumulative_score") else None,
        peak_rolling_score=score(message.peak_rolling_score) if has("peak_rolling_score") else None,
        mean_spoof_probability=(
            message.mean_spoof_probability if has("mean_spoof_probability") else None
        ),
        audio_seconds=seconds(message.audio_duration),
        speech_seconds=seconds(message.speech_duration),
        gap_seconds=seconds(message.gap_duration),
        first_alert_seconds=(
            seconds(message.time_to_first_alert) if has("time_to_first_alert") else None
        ),
        windows_scored=message.windows_scored,
        windows_shed=message.windows_shed,
        windows_insufficient_speech=message.windows_insufficient_speech,
        windows_failed=message.windows_failed,
    )


def detection(message: pb.DetectResponse) -> ev.Detection:
    """Converts the result for a recording."""
    return ev.Detection(
        summary=summary(message.summary),
        windows=tuple(window(one) for one in message.windows),
        alerts=tuple(alert(one) for one in message.alerts),
        warnings=tuple(warning(one) for one in message.warnings),
        model=model(message.model),
        proto=message,
    )


def server_info(message: pb.GetServerInfoResponse) -> ev.ServerInfo:
    """Converts what a server offers."""
    known = (encoding(number) for number in message.encodings)
    return ev.ServerInfo(
        version=message.version,
        models=tuple(model(one) for one in message.models),
        encodings=tuple(str(one) for one in known if one is not None),
        limits=limits(message.limits),
        active_streams=message.active_streams,
        max_streams=message.max_streams,
        default_alert_policy=policy(message.default_alert_policy),
        model_cards=tuple(message.model_cards),
        proto=message,
    )
