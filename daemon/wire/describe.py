"""What is served and in force, as messages of the wire."""

from dfd.daemon.options import ServeOptions
from dfd.daemon.wire.requests import ENCODINGS, duration
from dfd.detector.spec import ModelSpec
from dfd.streaming.options import AlertPolicy, SessionOptions, VadEngine
from dfd.v1 import detection_pb2 as pb

_ENCODINGS = {value: name for name, value in ENCODINGS.items()}


def policy_message(policy: AlertPolicy) -> pb.AlertPolicy:
    """A policy for the wire."""
    return pb.AlertPolicy(
        rolling_threshold=policy.rolling_threshold,
        cumulative_threshold=policy.cumulative_threshold,
        hysteresis=policy.hysteresis,
        consecutive_windows=policy.consecutive_windows,
        cooldown=duration(policy.cooldown_seconds),
    )


def effective_config(
    config: pb.StreamingDetectConfig, stream_id: str, options: SessionOptions, spec: ModelSpec
) -> pb.StreamingDetectConfig:
    """The configuration in force, every default filled in."""
    vad = options.vad
    silero = vad.engine is VadEngine.SILERO
    audio = options.audio_format
    return pb.StreamingDetectConfig(
        audio_format=pb.AudioFormat(
            encoding=_ENCODINGS[audio.encoding],
            sample_rate_hertz=audio.sample_rate_hz,
            channel_count=audio.channel_count,
        ),
        stream_id=stream_id,
        model=spec.name,
        labels=config.labels,
        vad=pb.VadConfig(
            engine=pb.VadConfig.ENGINE_SILERO if silero else pb.VadConfig.ENGINE_WEBRTC,
            aggressiveness=None if silero else vad.aggressiveness,
            speech_threshold=vad.speech_threshold if silero else None,
            hangover=duration(vad.hangover_seconds),
            min_speech_duration=duration(options.effective_min_speech_seconds),
            activity_events=config.vad.activity_events,
        ),
        alert_policy=policy_message(options.alert_policy),
        channels=options.effective_channels,
        window_results=config.window_results,
        window_duration=duration(options.effective_window_seconds),
        hop_duration=duration(options.effective_hop_seconds),
    )


def model_message(spec: ModelSpec) -> pb.ModelInfo:
    """A model for the wire."""
    errors = spec.error_rates
    return pb.ModelInfo(
        name=spec.name,
        version=spec.version,
        weights_sha256=spec.weights_sha256,
        window_duration=duration(spec.window_samples / spec.sample_rate_hz),
        hop_duration=duration(spec.hop_samples / spec.sample_rate_hz),
        sample_rate_hertz=spec.sample_rate_hz,
        device=spec.device,
        precision=spec.precision,
        engine=spec.engine,
        layout=spec.layout,
        spoof_label=spec.spoof_label,
        normalize=spec.normalize,
        padding=spec.padding,
        utterance_score=spec.utterance_score,
        min_speech_duration=duration(spec.min_speech_seconds),
        error_rates=None
        if errors is None
        else pb.ErrorRates(
            threshold=errors.threshold,
            false_alarm_rate=errors.false_alarm_rate,
            miss_rate=errors.miss_rate,
            heard_duration=duration(errors.heard_seconds),
        ),
        calibration=pb.Calibration(
            scale=spec.calibration.scale,
            offset=spec.calibration.offset,
            evidence_correlation=spec.evidence_correlation,
        ),
    )


def limits_message(options: ServeOptions) -> pb.Limits:
    """The server's limits for the wire."""
    idle, longest = options.idle_timeout_seconds, options.max_stream_seconds
    return pb.Limits(
        max_chunk_bytes=options.max_chunk_bytes,
        idle_timeout=duration(idle) if idle else None,
        max_stream_duration=duration(longest) if longest else None,
        max_recording_bytes=options.max_recording_bytes,
        max_channel_count=options.max_channel_count,
    )
