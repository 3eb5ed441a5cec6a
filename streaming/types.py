"""The types of the streaming core: its inputs and outputs.

Positions are counted in samples of the model's rate from the start of the stream, and
times in seconds; a spoof log-likelihood ratio (LLR) is natural, spoof over bona fide,
0 is even. Nothing here knows the wire, the clock or the network that scores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


class Encoding(Enum):
    """How samples are encoded in the bytes of a chunk."""

    LINEAR16 = "linear16"
    MULAW = "mulaw"
    ALAW = "alaw"
    FLOAT32 = "float32"

    @property
    def bytes_per_sample(self) -> int:
        """Bytes per sample of one channel."""
        return {Encoding.LINEAR16: 2, Encoding.FLOAT32: 4}.get(self, 1)


class WindowStatus(Enum):
    """The outcome of a window."""

    SCORED = "scored"
    INSUFFICIENT_SPEECH = "insufficient_speech"
    SHED = "shed"
    FAILED = "failed"


class Trigger(Enum):
    """What triggers an alert: a score, or a watermark."""

    ROLLING = "rolling"
    CUMULATIVE = "cumulative"
    WATERMARK = "watermark"


class Verdict(Enum):
    """The verdict on a whole track."""

    BONAFIDE = "bonafide"
    SPOOF = "spoof"
    INCONCLUSIVE = "inconclusive"


class Reason(Enum):
    """Why a verdict is inconclusive, or what a warning is about. The values are stable."""

    TOO_LITTLE_SPEECH = "TOO_LITTLE_SPEECH"
    EVIDENCE_WEAK = "EVIDENCE_WEAK"
    MIXED_EVIDENCE = "MIXED_EVIDENCE"
    BAND_LIMITED = "BAND_LIMITED"
    CLIPPED = "CLIPPED"
    GAPS = "GAPS"
    WINDOWS_SHED = "WINDOWS_SHED"
    AUDIO_GAP = "AUDIO_GAP"
    WATERMARKS_UNREAD = "WATERMARKS_UNREAD"


class StreamError(ValueError):
    """The caller sent audio or options that the contract forbids.

    Attributes:
        reason: a stable UPPER_SNAKE_CASE word for machines; the message is for people
            and says what to do.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Score:
    """Evidence for one side or the other, and the speech that it is based on."""

    spoof_llr: float
    speech_seconds: float

    @property
    def spoof_probability(self) -> float:
        """P(spoof) at even prior odds, in [0, 1]."""
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, self.spoof_llr))))


@dataclass(frozen=True, slots=True)
class TrackMark:
    """Where a track continues after one of its windows.

    Attributes:
        position: position from which its audio is fed again, in samples at the model's rate.
        next_start, last_end, sequence: start of the next window, end and number of the last one.
        provisional: amounts of speech after which provisional windows are still to be cut.
        speech_samples: speech up to `next_start`.
        gap_samples: gaps up to `position`.
    """

    position: int
    next_start: int
    last_end: int
    sequence: int
    provisional: tuple[int, ...]
    speech_samples: int
    gap_samples: int


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A contiguous piece of one track, on its way to the classifier.

    Attributes:
        samples: float32 (n,), read-only, at the model's rate, full scale 1.0. Shorter
            than the model's window when provisional or final, or by the stream's own
            `window_seconds`.
        speech_seconds: speech inside, by voice activity detection.
        gap_seconds: lost audio inside; those samples are zero.
        provisional: an early window before the first whole one; later evidence replaces it.
        final: the partial window at the end of the stream.
        scoreable: whether it holds enough speech; otherwise resolve it at once as
            INSUFFICIENT_SPEECH.
        mark: where the track continues after it; None if it is the last.
    """

    channel: int
    sequence: int
    start_sample: int
    end_sample: int
    sample_rate_hz: int
    samples: Samples
    speech_seconds: float
    gap_seconds: float
    provisional: bool
    final: bool
    scoreable: bool
    mark: TrackMark | None = None

    @property
    def start_seconds(self) -> float:
        """Start position on the time line."""
        return self.start_sample / self.sample_rate_hz

    @property
    def end_seconds(self) -> float:
        """End position on the time line."""
        return self.end_sample / self.sample_rate_hz


@dataclass(frozen=True, slots=True)
class SpeechActivity:
    """Speech began or ended on a track."""

    channel: int
    began: bool
    offset_seconds: float


@dataclass(frozen=True, slots=True)
class StreamWarning:
    """Something worth knowing that does not end the stream."""

    reason: Reason
    message: str
    channel: int | None
    offset_seconds: float


@dataclass(frozen=True, slots=True)
class WindowResult:
    """A resolved window with the three scores after it."""

    window: Window
    status: WindowStatus
    window_score: Score | None
    rolling_score: Score | None
    cumulative_score: Score | None


@dataclass(frozen=True, slots=True)
class Watermark:
    """A generator's watermark was detected on a track.

    Attributes:
        scheme: name of the scheme, such as "perth".
        offset_seconds: end of the deciding window.
        confidence: confidence of the reader, about 0 without the watermark and 1 with it.
    """

    scheme: str
    offset_seconds: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Alert:
    """A score crossed its threshold or, if `cleared`, fell back below it.

    Attributes:
        score: the score that crossed; for a watermark, the present cumulative score.
        watermark: only for `Trigger.WATERMARK`.
    """

    trigger: Trigger
    channel: int
    offset_seconds: float
    score: Score
    threshold: float
    cleared: bool
    watermark: Watermark | None = None


@dataclass(frozen=True, slots=True)
class ChannelSummary:
    """The result for one track over the whole stream.

    `mean_spoof_probability` is the plain mean over scored windows (full ones if there are any), the
    utterance score of file-based systems.
    """

    channel: int
    verdict: Verdict
    inconclusive_reasons: tuple[Reason, ...]
    cumulative_score: Score | None
    peak_rolling_score: Score | None
    mean_spoof_probability: float | None
    audio_seconds: float
    speech_seconds: float
    gap_seconds: float
    first_alert_seconds: float | None
    windows_scored: int
    windows_shed: int
    windows_insufficient_speech: int
    windows_failed: int
    watermarks: tuple[Watermark, ...] = ()


# What feeding a session returns, and what resolving a window returns.
FeedEvent = Window | SpeechActivity | StreamWarning
ResolveEvent = WindowResult | Alert
