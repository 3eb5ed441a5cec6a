"""Options of the streaming core: frozen, with units in their names, validated on creation."""

import math
from dataclasses import dataclass, field
from enum import Enum

from dfd.streaming.types import Encoding, StreamError

MIN_SAMPLE_RATE_HZ = 8_000
MAX_SAMPLE_RATE_HZ = 48_000
MAX_CHANNEL_COUNT = 8
MIN_WINDOW_SECONDS = 1.0
MIN_HOP_SECONDS = 0.25
# Amounts of speech after which a provisional window is cut, and windows in the rolling score.
PROVISIONAL_SECONDS = (1.0, 2.0)
ROLLING_WINDOWS = 5


def _require(condition: bool, reason: str, message: str) -> None:
    if not condition:
        raise StreamError(reason, message)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The declared format of a stream: interleaved frames.

    Raises:
        StreamError: with INVALID_SAMPLE_RATE or INVALID_CHANNEL_COUNT.
    """

    encoding: Encoding
    sample_rate_hz: int
    channel_count: int = 1

    def __post_init__(self) -> None:
        _require(
            MIN_SAMPLE_RATE_HZ <= self.sample_rate_hz <= MAX_SAMPLE_RATE_HZ,
            "INVALID_SAMPLE_RATE",
            f"sample_rate_hertz is {self.sample_rate_hz}; declare the true rate, "
            f"{MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ}",
        )
        _require(
            1 <= self.channel_count <= MAX_CHANNEL_COUNT,
            "INVALID_CHANNEL_COUNT",
            f"channel_count is {self.channel_count}; declare 1 to {MAX_CHANNEL_COUNT}",
        )

    @property
    def bytes_per_frame(self) -> int:
        """Bytes per frame, which is one sample of every channel."""
        return self.encoding.bytes_per_sample * self.channel_count


class VadEngine(Enum):
    """The available voice activity detectors."""

    WEBRTC = "webrtc"
    SILERO = "silero"


@dataclass(frozen=True, slots=True)
class VadOptions:
    """Voice activity detection of a track.

    Attributes:
        aggressiveness: WebRTC's mode, 0 (keeps most) to 3 (drops most).
        speech_threshold: Silero's probability above which a frame is speech.
        hangover_seconds: speech is taken to last this long after its last frame.

    Raises:
        StreamError: with INVALID_VAD_CONFIG.
    """

    engine: VadEngine = VadEngine.WEBRTC
    aggressiveness: int = 2
    speech_threshold: float = 0.5
    hangover_seconds: float = 0.2

    def __post_init__(self) -> None:
        _require(
            0 <= self.aggressiveness <= 3,
            "INVALID_VAD_CONFIG",
            f"vad aggressiveness is {self.aggressiveness}; use 0 to 3",
        )
        _require(
            0.0 < self.speech_threshold < 1.0,
            "INVALID_VAD_CONFIG",
            f"vad speech_threshold is {self.speech_threshold:g}; use a value between 0 and 1",
        )
        _require(
            0.0 <= self.hangover_seconds <= 5.0,
            "INVALID_VAD_CONFIG",
            f"vad hangover is {self.hangover_seconds:g} s; use 0 to 5 s",
        )


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """When a track raises alerts.

    Attributes:
        rolling_threshold, cumulative_threshold: P(spoof) that raises an alert, in (0, 1].
        hysteresis: an alert is cleared below the threshold minus this, in [0, 1).
        consecutive_windows: consecutive scored windows needed to change the state.
        cooldown_seconds: after clearing, no new alert of the same trigger for this long.

    Raises:
        StreamError: with INVALID_ALERT_POLICY.
    """

    rolling_threshold: float = 0.8
    cumulative_threshold: float = 0.8
    hysteresis: float = 0.1
    consecutive_windows: int = 2
    cooldown_seconds: float = 10.0

    def __post_init__(self) -> None:
        for name in ("rolling_threshold", "cumulative_threshold"):
            value: float = getattr(self, name)
            _require(
                0.0 < value <= 1.0,
                "INVALID_ALERT_POLICY",
                f"{name} is {value:g}; use a probability above 0 and at most 1",
            )
        _require(
            0.0 <= self.hysteresis < 1.0,
            "INVALID_ALERT_POLICY",
            f"hysteresis is {self.hysteresis:g}; use 0 to below 1",
        )
        _require(
            1 <= self.consecutive_windows <= 1000,
            "INVALID_ALERT_POLICY",
            f"consecutive_windows is {self.consecutive_windows}; use 1 to 1000",
        )
        _require(
            math.isfinite(self.cooldown_seconds) and self.cooldown_seconds >= 0.0,
            "INVALID_ALERT_POLICY",
            f"cooldown is {self.cooldown_seconds:g} s; use zero or more",
        )


class UtteranceScore(Enum):
    """How the cumulative score of a stream is formed; see `evidence`."""

    EVIDENCE = "evidence"
    MEAN = "mean"
    FIRST = "first"


@dataclass(frozen=True, slots=True)
class ModelTraits:
    """What the core needs to know about the classifier.

    Attributes:
        window_samples, hop_samples: the model's own window and hop, at `sample_rate_hz`.
        min_speech_seconds: windows with less speech are not worth scoring.
        evidence_correlation: correlation in [0, 1] of the LLRs of two windows of one
            stream that share no samples; see `evidence`.
        trained_bandwidth_hz: narrowest audio bandwidth seen in training.
        utterance_score: the sum of LLRs, the mean of the windows' probabilities, or the first
            window's probability.
    """

    sample_rate_hz: int = 16_000
    window_samples: int = 64_000
    hop_samples: int = 32_000
    min_speech_seconds: float = 0.5
    evidence_correlation: float = 0.5
    trained_bandwidth_hz: float = 3_400.0
    utterance_score: UtteranceScore = UtteranceScore.EVIDENCE


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """All options that determine how a session judges its audio.

    Attributes:
        channels: the channels to judge, in ascending order; empty means all.
        window_seconds, hop_seconds: None means the model's own.
        min_speech_seconds: None means the model's own.
        provisional_seconds: amounts of speech after which a provisional window is cut before the
            first full one; None means 1 and 2 s, and for long windows also 4 s, 8 s and so on.
        rolling_windows: windows in the rolling score.

    Raises:
        StreamError: with INVALID_CHANNELS, INVALID_WINDOW or INVALID_VAD_CONFIG.
    """

    audio_format: AudioFormat
    model: ModelTraits = field(default_factory=ModelTraits)
    vad: VadOptions = field(default_factory=VadOptions)
    alert_policy: AlertPolicy = field(default_factory=AlertPolicy)
    channels: tuple[int, ...] = ()
    window_seconds: float | None = None
    hop_seconds: float | None = None
    min_speech_seconds: float | None = None
    provisional_seconds: tuple[float, ...] | None = None
    rolling_windows: int = ROLLING_WINDOWS

    def __post_init__(self) -> None:
        count = self.audio_format.channel_count
        _require(
            len(set(self.channels)) == len(self.channels)
            and all(0 <= channel < count for channel in self.channels),
            "INVALID_CHANNELS",
            f"channels are {list(self.channels)}; name each once, from 0 to {count - 1}",
        )
        longest = self.model.window_samples / self.model.sample_rate_hz
        window, hop = self.effective_window_seconds, self.effective_hop_seconds
        _require(
            min(MIN_WINDOW_SECONDS, longest) <= window <= longest,
            "INVALID_WINDOW",
            f"window_duration is {window:g} s; use {min(MIN_WINDOW_SECONDS, longest):g} s "
            f"to the model's {longest:g} s",
        )
        _require(
            min(MIN_HOP_SECONDS, window) <= hop <= window,
            "INVALID_WINDOW",
            f"hop_duration is {hop:g} s; use {MIN_HOP_SECONDS:g} s to the window's {window:g} s",
        )
        _require(
            0.0 <= self.effective_min_speech_seconds <= window,
            "INVALID_VAD_CONFIG",
            f"min_speech_duration is {self.effective_min_speech_seconds:g} s; "
            f"use 0 to the window's {window:g} s",
        )

    @property
    def effective_channels(self) -> tuple[int, ...]:
        """The channels to judge, in ascending order."""
        return tuple(sorted(self.channels)) or tuple(range(self.audio_format.channel_count))

    @property
    def effective_window_seconds(self) -> float:
        """The effective window length."""
        if self.window_seconds is not None:
            return self.window_seconds
        return self.model.window_samples / self.model.sample_rate_hz

    @property
    def effective_hop_seconds(self) -> float:
        """The effective hop; the model's, scaled with the window, if only the window was set."""
        if self.hop_seconds is not None:
            return self.hop_seconds
        if self.window_seconds is not None:
            return max(
                self.window_seconds * self.model.hop_samples / self.model.window_samples,
                min(MIN_HOP_SECONDS, self.window_seconds),
            )
        return self.model.hop_samples / self.model.sample_rate_hz

    @property
    def effective_min_speech_seconds(self) -> float:
        """The amount of speech below which a window is not scored."""
        if self.min_speech_seconds is not None:
            return self.min_speech_seconds
        return min(self.model.min_speech_seconds, self.effective_window_seconds)

    @property
    def effective_provisional_seconds(self) -> tuple[float, ...]:
        """The amounts of speech after which provisional windows are cut."""
        if self.provisional_seconds is not None:
            return self.provisional_seconds
        seconds = list(PROVISIONAL_SECONDS)
        while 2.0 * seconds[-1] < self.effective_window_seconds:
            seconds.append(2.0 * seconds[-1])
        return tuple(seconds)
