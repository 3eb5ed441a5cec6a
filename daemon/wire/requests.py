"""Validates the wire's requests and converts them to the core's types."""

import math
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message

from dfd.daemon.errors import from_stream_error, invalid
from dfd.detector.spec import ModelSpec
from dfd.detector.traits import default_policy, traits
from dfd.messages import words
from dfd.streaming import types as core
from dfd.streaming.options import (
    AlertPolicy,
    AudioFormat,
    SessionOptions,
    VadEngine,
    VadOptions,
)
from dfd.v1 import detection_pb2 as pb

_Request = TypeVar("_Request", bound=Message)

_NANOS = 1_000_000_000
# far beyond any call, and exactly representable
_MAX_SECONDS = 10**9
_MAX_ID_LENGTH = 200
_MAX_LABELS = 64
_MAX_LABEL_LENGTH = 1000

ENCODINGS = {
    pb.AudioFormat.Encoding.ValueType(number): core.Encoding(word)
    for number, word in words(pb.AudioFormat.Encoding.DESCRIPTOR).items()
    if number
}
_ENGINES = {
    pb.VadConfig.Engine.ValueType(number): VadEngine(word) if number else VadEngine.WEBRTC
    for number, word in words(pb.VadConfig.Engine.DESCRIPTOR).items()
}


def parse(kind: type[_Request], raw: bytes) -> _Request:
    """Parses one message of a client.

    Raises:
        StatusError: with MALFORMED_MESSAGE.
    """
    try:
        return kind.FromString(raw)
    except DecodeError:
        raise invalid(
            "MALFORMED_MESSAGE",
            f"the message is not a {kind.DESCRIPTOR.name}; use the stubs of dfd/v1/detection.proto",
        ) from None


def seconds(value: Duration, name: str) -> float:
    """Converts a client's `Duration` to seconds.

    Raises:
        StatusError: with INVALID_DURATION.
    """
    if not 0 <= value.seconds <= _MAX_SECONDS or not 0 <= value.nanos < _NANOS:
        raise invalid("INVALID_DURATION", f"{name} is not a duration of zero or more; correct it")
    return value.seconds + value.nanos / _NANOS


def _finite(value: float, reason: str, name: str) -> float:
    if not math.isfinite(value):
        raise invalid(reason, f"{name} is {value}; give a finite number")
    return value


def check_identity(config: pb.StreamingDetectConfig) -> None:
    """Checks the size of what will go to the log.

    Raises:
        StatusError: with INVALID_STREAM_ID or INVALID_LABELS.
    """
    if len(config.stream_id) > _MAX_ID_LENGTH:
        raise invalid("INVALID_STREAM_ID", f"stream_id is above {_MAX_ID_LENGTH} characters")
    if len(config.labels) > _MAX_LABELS or any(
        len(name) + len(text) > _MAX_LABEL_LENGTH for name, text in config.labels.items()
    ):
        raise invalid(
            "INVALID_LABELS",
            f"labels are at most {_MAX_LABELS}, of {_MAX_LABEL_LENGTH} characters each",
        )


def _audio_format(message: pb.AudioFormat, max_channel_count: int) -> AudioFormat:
    """Reads the declared format.

    Raises:
        StatusError: with INVALID_ENCODING or INVALID_CHANNEL_COUNT.
        StreamError: if `AudioFormat` refuses it.
    """
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        raise invalid(
            "INVALID_ENCODING",
            "audio_format.encoding is missing or unknown; declare LINEAR16, MULAW, ALAW or FLOAT32",
        )
    declared = AudioFormat(encoding, message.sample_rate_hertz, message.channel_count)
    if message.channel_count > max_channel_count:
        raise invalid(
            "INVALID_CHANNEL_COUNT",
            f"channel_count is {message.channel_count}; this server takes up to "
            f"{max_channel_count}",
        )
    return declared


def _vad_options(message: pb.VadConfig) -> VadOptions:
    engine = _ENGINES.get(message.engine)
    if engine is None:
        raise invalid("INVALID_VAD_CONFIG", "vad.engine is unknown; use WEBRTC or SILERO")
    default = VadOptions()
    return VadOptions(
        engine=engine,
        aggressiveness=(
            message.aggressiveness if message.HasField("aggressiveness") else default.aggressiveness
        ),
        speech_threshold=(
            message.speech_threshold
            if message.HasField("speech_threshold")
            else default.speech_threshold
        ),
        hangover_seconds=(
            seconds(message.hangover, "vad.hangover")
            if message.HasField("hangover")
            else default.hangover_seconds
        ),
    )


def _alert_policy(message: pb.AlertPolicy, default: AlertPolicy) -> AlertPolicy:
    """Returns a policy with the unset fields filled in."""
    values = {}
    for name in ("rolling_threshold", "cumulative_threshold", "hysteresis"):
        if message.HasField(name):
            # float32 on the wire: 0.8 must not come back as 0.800000011920929
            value = _finite(getattr(message, name), "INVALID_ALERT_POLICY", name)
            values[name] = float(f"{value:.7g}")
        else:
            values[name] = getattr(default, name)
    return AlertPolicy(
        **values,
        consecutive_windows=message.consecutive_windows or default.consecutive_windows,
        cooldown_seconds=(
            seconds(message.cooldown, "alert_policy.cooldown")
            if message.HasField("cooldown")
            else default.cooldown_seconds
        ),
    )


def session_options(
    config: pb.StreamingDetectConfig | pb.DetectRequest, spec: ModelSpec, max_channel_count: int
) -> SessionOptions:
    """Validates what a stream asked for, and fills in all defaults.

    Raises:
        StatusError: with the contract forbids it.
    """
    try:
        return _session_options(config, spec, max_channel_count)
    except core.StreamError as error:
        raise from_stream_error(error) from None


def _session_options(
    config: pb.StreamingDetectConfig | pb.DetectRequest, spec: ModelSpec, max_channel_count: int
) -> SessionOptions:
    channels: tuple[int, ...] = ()
    window = hop = None
    if isinstance(config, pb.StreamingDetectConfig):
        channels = tuple(config.channels)
        if config.HasField("window_duration"):
            window = seconds(config.window_duration, "window_duration")
        if config.HasField("hop_duration"):
            hop = seconds(config.hop_duration, "hop_duration")
    vad = config.vad
    return SessionOptions(
        audio_format=_audio_format(config.audio_format, max_channel_count),
        model=traits(spec),
        vad=_vad_options(vad),
        alert_policy=_alert_policy(config.alert_policy, default_policy(spec)),
        channels=channels,
        window_seconds=window,
        hop_seconds=hop,
        min_speech_seconds=(
            seconds(vad.min_speech_duration, "vad.min_speech_duration")
            if vad.HasField("min_speech_duration")
            else None
        ),
    )
