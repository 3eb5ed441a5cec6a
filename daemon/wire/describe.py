"""What is served, and the effective configuration, as messages of the wire."""

from dfd.daemon.options import ServeOptions
from dfd.detector.spec import ModelSpec
from dfd.messages import to_message
from dfd.streaming.options import SessionOptions, VadEngine
from dfd.v1 import detection_pb2 as pb


def effective_config(
    config: pb.StreamingDetectConfig, stream_id: str, options: SessionOptions, spec: ModelSpec
) -> pb.StreamingDetectConfig:
    """Returns the effective configuration, with all defaults filled in."""
    vad = to_message(
        pb.VadConfig,
        options.vad,
        min_speech_duration=options.effective_min_speech_seconds,
        activity_events=config.vad.activity_events,
    )
    if options.vad.engine is VadEngine.SILERO:
        vad.ClearField("aggressiveness")
    else:
        vad.ClearField("speech_threshold")
    return to_message(
        pb.StreamingDetectConfig,
        options,
        stream_id=stream_id,
        model=spec.name,
        labels=config.labels,
        vad=vad,
        channels=options.effective_channels,
        window_results=config.window_results,
        window_duration=options.effective_window_seconds,
        hop_duration=options.effective_hop_seconds,
        checkpoints=config.checkpoints,
    )


def model_message(spec: ModelSpec) -> pb.ModelInfo:
    """Converts a model."""
    return to_message(
        pb.ModelInfo,
        spec,
        window_duration=spec.window_samples / spec.sample_rate_hz,
        hop_duration=spec.hop_samples / spec.sample_rate_hz,
        calibration=to_message(
            pb.Calibration, spec.calibration, evidence_correlation=spec.evidence_correlation
        ),
    )


def limits_message(options: ServeOptions) -> pb.Limits:
    """Converts the server's limits to a message; a time of 0 means no limit and stays unset."""
    message = to_message(pb.Limits, options)
    if not options.idle_timeout_seconds:
        message.ClearField("idle_timeout")
    if not options.max_stream_seconds:
        message.ClearField("max_stream_duration")
    return message
