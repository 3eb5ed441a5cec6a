"""Converts the client's options to the contract's requests; None stays unset."""

from google.protobuf.duration_pb2 import Duration

from dfd.clients.audio import AudioFormat
from dfd.clients.options import AlertPolicy, StreamOptions, VadOptions
from dfd.v1 import detection_pb2 as pb


def duration(seconds: float) -> Duration:
    """Converts seconds to a `Duration`, to the nanosecond."""
    whole, nanos = divmod(round(seconds * 1e9), 1_000_000_000)
    return Duration(seconds=whole, nanos=nanos)


def config(audio_format: AudioFormat, options: StreamOptions) -> pb.StreamingDetectConfig:
    """Builds the first message of a stream."""
    message = pb.StreamingDetectConfig(
        audio_format=format_message(audio_format),
        stream_id=options.stream_id,
        model=options.model,
        labels=dict(options.labels),
        channels=options.channels,
        window_results=options.window_results,
    )
    if options.vad is not None:
        message.vad.CopyFrom(vad(options.vad))
    if options.alert_policy is not None:
        message.alert_policy.CopyFrom(alert_policy(options.alert_policy))
    if options.window_seconds is not None:
        message.window_duration.CopyFrom(duration(options.window_seconds))
    if options.hop_seconds is not None:
        message.hop_duration.CopyFrom(duration(options.hop_seconds))
    return message


def format_message(audio_format: AudioFormat) -> pb.AudioFormat:
    """Converts the audio format."""
    return pb.AudioFormat(
        encoding=pb.AudioFormat.Encoding.Value(f"ENCODING_{audio_format.encoding.name}"),
        sample_rate_hertz=audio_format.sample_rate_hz,
        channel_count=audio_format.channel_count,
    )


def vad(options: VadOptions) -> pb.VadConfig:
    """Converts the options of voice activity detection; None stays unset."""
    message = pb.VadConfig(
        aggressiveness=options.aggressiveness,
        speech_threshold=options.speech_threshold,
        activity_events=options.activity_events,
    )
    if options.engine is not None:
        message.engine = pb.VadConfig.Engine.Value(f"ENGINE_{options.engine.name}")
    if options.hangover_seconds is not None:
        message.hangover.CopyFrom(duration(options.hangover_seconds))
    if options.min_speech_seconds is not None:
        message.min_speech_duration.CopyFrom(duration(options.min_speech_seconds))
    return message


def alert_policy(policy: AlertPolicy) -> pb.AlertPolicy:
    """Converts an alert policy; None stays unset."""
    message = pb.AlertPolicy(
        rolling_threshold=policy.rolling_threshold,
        cumulative_threshold=policy.cumulative_threshold,
        hysteresis=policy.hysteresis,
        consecutive_windows=policy.consecutive_windows or 0,
    )
    if policy.cooldown_seconds is not None:
        message.cooldown.CopyFrom(duration(policy.cooldown_seconds))
    return message
