"""From the client's events back to the contract's answers, and to lines of JSON.

A line of JSON is the answer in the contract's own JSON form (names as in the .proto file),
beside `stream_id`; what the client itself says has the same shape under its own name.
"""

import json
from typing import Any

from google.protobuf.json_format import MessageToDict

from dfd.clients import events as ev
from dfd.clients.protocol.requests import alert_policy, duration
from dfd.v1 import detection_pb2 as pb


def json_line(stream_id: str, event: ev.Event, **more: object) -> str:
    """One event as one line of JSON, without the line's end.

    Args:
        stream_id: the stream it happened on.
        event: what happened.
        more: further members for the line, such as a file's name.
    """
    return json.dumps({"stream_id": stream_id, **more, **to_dict(event)}, ensure_ascii=False)


def to_dict(event: ev.Event) -> dict[str, Any]:
    """An event as the contract's JSON: one member, named after its kind."""
    match event:
        case ev.ConnectionLost():
            body: dict[str, Any] = {
                "code": event.code,
                "reason": event.reason,
                "message": event.message,
                "retry_delay": _span(event.retry_seconds),
            }
            if event.summary is not None:
                body |= to_dict(event.summary)
            return {"connection_lost": body}
        case ev.Reconnected():
            return {
                "reconnected": {
                    "offset": _span(event.offset_seconds),
                    "lost_duration": _span(event.lost_seconds),
                    "attempts": event.attempts,
                }
            }
        case ev.AudioLost():
            return {
                "audio_lost": {
                    "offset": _span(event.offset_seconds),
                    "lost_duration": _span(event.lost_seconds),
                }
            }
    return MessageToDict(
        response(event),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def _span(seconds: float) -> str:
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def response(event: ev.ServerEvent) -> pb.StreamingDetectResponse:
    """The contract's message of a server's event."""
    match event:
        case ev.Started():
            return pb.StreamingDetectResponse(started=_started(event))
        case ev.WindowResult():
            return pb.StreamingDetectResponse(window=_window(event))
        case ev.SpeechActivity():
            kind = pb.SpeechActivity.TYPE_BEGIN if event.began else pb.SpeechActivity.TYPE_END
            return pb.StreamingDetectResponse(
                speech_activity=pb.SpeechActivity(
                    type=kind, channel=event.channel, offset=duration(event.offset_seconds)
                )
            )
        case ev.Alert():
            return pb.StreamingDetectResponse(
                alert=pb.Alert(
                    trigger=pb.Alert.Trigger.Value(f"TRIGGER_{event.trigger.name}"),
                    channel=event.channel,
                    offset=duration(event.offset_seconds),
                    score=_score(event.score),
                    threshold=event.threshold,
                    cleared=event.cleared,
                )
            )
        case ev.StreamWarning():
            return pb.StreamingDetectResponse(
                warning=pb.Warning(
                    reason=event.reason,
                    message=event.message,
                    channel=event.channel,
                    offset=duration(event.offset_seconds),
                )
            )
        case ev.Summary():
            return pb.StreamingDetectResponse(summary=_summary(event))


def _score(score: ev.Score | None) -> pb.Score | None:
    if score is None:
        return None
    return pb.Score(
        spoof_probability=score.spoof_probability,
        spoof_llr=score.spoof_llr,
        speech_duration=duration(score.speech_seconds),
    )


def _started(event: ev.Started) -> pb.StreamStarted:
    return pb.StreamStarted(
        stream_id=event.stream_id,
        model=_model(event.model),
        effective_config=pb.StreamingDetectConfig(
            stream_id=event.stream_id,
            model=event.model.name,
            channels=event.channels,
            window_duration=duration(event.window_seconds),
            hop_duration=duration(event.hop_seconds),
            alert_policy=alert_policy(event.alert_policy),
        ),
        limits=_limits(event.limits),
    )


def _model(model: ev.ModelInfo) -> pb.ModelInfo:
    return pb.ModelInfo(
        name=model.name,
        version=model.version,
        weights_sha256=model.weights_sha256,
        window_duration=duration(model.window_seconds),
        hop_duration=duration(model.hop_seconds),
        sample_rate_hertz=model.sample_rate_hz,
        device=model.device,
        precision=model.precision,
        engine=model.engine,
        layout=model.layout,
        spoof_label=model.spoof_label,
        normalize=model.normalize,
        padding=model.padding,
        utterance_score=model.utterance_score,
        min_speech_duration=duration(model.min_speech_seconds),
        error_rates=None if model.error_rates is None else _error_rates(model.error_rates),
    )


def _error_rates(rates: ev.ErrorRates) -> pb.ErrorRates:
    return pb.ErrorRates(
        threshold=rates.threshold,
        false_alarm_rate=rates.false_alarm_rate,
        miss_rate=rates.miss_rate,
        heard_duration=duration(rates.heard_seconds),
    )


def _limits(limits: ev.Limits) -> pb.Limits:
    idle, longest = limits.idle_timeout_seconds, limits.max_stream_seconds
    return pb.Limits(
        max_chunk_bytes=limits.max_chunk_bytes,
        idle_timeout=None if idle is None else duration(idle),
        max_stream_duration=None if longest is None else duration(longest),
        max_recording_bytes=limits.max_recording_bytes,
        max_channel_count=limits.max_channel_count,
    )


def _window(event: ev.WindowResult) -> pb.WindowResult:
    return pb.WindowResult(
        channel=event.channel,
        sequence=event.sequence,
        start_offset=duration(event.start_seconds),
        end_offset=duration(event.end_seconds),
        speech_duration=duration(event.speech_seconds),
        gap_duration=duration(event.gap_seconds),
        status=pb.WindowResult.Status.Value(f"STATUS_{event.status.name}"),
        provisional=event.provisional,
        final=event.final,
        window_score=_score(event.window_score),
        rolling_score=_score(event.rolling_score),
        cumulative_score=_score(event.cumulative_score),
        timing=pb.Timing(
            queue_delay=duration(event.queue_seconds),
            compute_duration=duration(event.compute_seconds),
            batch_size=event.batch_size,
        ),
    )


def _summary(event: ev.Summary) -> pb.StreamSummary:
    return pb.StreamSummary(
        channels=[_channel(channel) for channel in event.channels],
        end_reason=pb.StreamSummary.EndReason.Value(f"END_REASON_{event.end_reason.name}"),
    )


def _channel(channel: ev.ChannelSummary) -> pb.ChannelSummary:
    first = channel.first_alert_seconds
    return pb.ChannelSummary(
        channel=channel.channel,
        verdict=pb.Verdict.Value(f"VERDICT_{channel.verdict.name}"),
        inconclusive_reasons=channel.inconclusive_reasons,
        cumulative_score=_score(channel.cumulative_score),
        peak_rolling_score=_score(channel.peak_rolling_score),
        mean_spoof_probability=channel.mean_spoof_probability,
        audio_duration=duration(channel.audio_seconds),
        speech_duration=duration(channel.speech_seconds),
        gap_duration=duration(channel.gap_seconds),
        time_to_first_alert=None if first is None else duration(first),
        windows_scored=channel.windows_scored,
        windows_shed=channel.windows_shed,
        windows_insufficient_speech=channel.windows_insufficient_speech,
        windows_failed=channel.windows_failed,
    )
