"""The events of a stream, as frozen dataclasses.

Times are seconds on the stream's time line, counted from its first frame. Everything but
`ConnectionLost`, `Reconnected` and `AudioLost`, which the client itself emits, comes from
the server as the wire contract defines it, and keeps the original message as `proto`: complete,
with fields that this client does not know yet, so that it can be passed on.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from dfd.clients.options import AlertPolicy
from dfd.clients.server_info import Limits, ModelInfo
from dfd.v1 import detection_pb2 as pb


class WindowStatus(StrEnum):
    """The outcome of a window."""

    UNSPECIFIED = "unspecified"
    SCORED = "scored"
    INSUFFICIENT_SPEECH = "insufficient_speech"
    SHED = "shed"
    FAILED = "failed"


class Trigger(StrEnum):
    """What an alert watches: a score, or whether there is a watermark."""

    UNSPECIFIED = "unspecified"
    ROLLING = "rolling"
    CUMULATIVE = "cumulative"
    WATERMARK = "watermark"


class Verdict(StrEnum):
    """The verdict on a whole channel."""

    UNSPECIFIED = "unspecified"
    BONAFIDE = "bonafide"
    SPOOF = "spoof"
    INCONCLUSIVE = "inconclusive"


class EndReason(StrEnum):
    """Why a stream ended."""

    UNSPECIFIED = "unspecified"
    CLIENT_DONE = "client_done"
    IDLE_TIMEOUT = "idle_timeout"
    SERVER_DRAINING = "server_draining"
    MAX_DURATION = "max_duration"
    CLIENT_ERROR = "client_error"


@dataclass(frozen=True, slots=True)
class Score:
    """Evidence for one side or the other, and the speech that it is based on.

    Attributes:
        spoof_probability: calibrated P(spoof) at even prior odds, in [0, 1].
        spoof_llr: natural log-likelihood ratio, spoof over bona fide; 0 is even. ASVspoof's
            score files run the other way.
    """

    spoof_probability: float
    spoof_llr: float
    speech_seconds: float


@dataclass(frozen=True, slots=True)
class Started:
    """The server accepted the stream; all defaults are filled in."""

    stream_id: str
    model: ModelInfo
    limits: Limits
    channels: tuple[int, ...]
    window_seconds: float
    hop_seconds: float
    alert_policy: AlertPolicy
    proto: pb.StreamStarted = field(kw_only=True, repr=False, compare=False)

    @property
    def checkpoints(self) -> bool:
        """Whether the server sends checkpoints, with which the stream can continue elsewhere."""
        return self.proto.effective_config.checkpoints

    @property
    def resumed(self) -> bool:
        """Whether the stream continues with the evidence of the state that was sent back."""
        return self.proto.resumed


@dataclass(frozen=True, slots=True)
class MemberScore:
    """The outcome of a window at one member of a fusion or a cascade.

    Attributes:
        status: SHED also if it had not answered when the window was due.
        spoof_probability, spoof_llr: None unless scored.
    """

    model: str
    status: WindowStatus
    spoof_probability: float | None
    spoof_llr: float | None


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The outcome of one window, and the three scores after it.

    Attributes:
        provisional: an early window at the start; later evidence replaces it.
        final: the partial window at the end of the stream.
        window_score: score of this window; None unless it was scored.
        rolling_score: the last windows, weighted by speech; None before the first was scored.
        cumulative_score: the whole stream so far; None before the first window was scored.
        queue_seconds: time spent waiting for a batch.
        compute_seconds: duration of the batch's forward pass.
        batch_size: number of windows in that batch; 0 unless scored.
        members: of a fusion or a cascade, the members that were asked about this window. If not all
            of them are SCORED, the others decided.
    """

    channel: int
    sequence: int
    start_seconds: float
    end_seconds: float
    speech_seconds: float
    gap_seconds: float
    status: WindowStatus
    provisional: bool
    final: bool
    window_score: Score | None
    rolling_score: Score | None
    cumulative_score: Score | None
    queue_seconds: float
    compute_seconds: float
    batch_size: int
    members: tuple[MemberScore, ...] = ()
    proto: pb.WindowResult = field(kw_only=True, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class SpeechActivity:
    """Speech began or ended on a channel."""

    channel: int
    began: bool
    offset_seconds: float
    proto: pb.SpeechActivity = field(kw_only=True, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Watermark:
    """A generator's own mark was read on a channel.

    Attributes:
        scheme: whose, such as "perth".
        offset_seconds: end of the window that decided it.
        confidence: of the scheme's reader, about 0 without the mark and 1 with it.
    """

    scheme: str
    offset_seconds: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Alert:
    """A score crossed its threshold or, if `cleared`, fell back below it; or a watermark was found.

    Attributes:
        score: the score that crossed; for a watermark the cumulative score, which it leaves alone.
        watermark: set for `Trigger.WATERMARK` only.
    """

    trigger: Trigger
    channel: int
    offset_seconds: float
    score: Score
    threshold: float
    cleared: bool
    watermark: Watermark | None = None
    proto: pb.Alert = field(kw_only=True, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class StreamWarning:
    """Something worth knowing that does not end the stream; `reason` is a stable word."""

    reason: str
    message: str
    channel: int | None
    offset_seconds: float
    proto: pb.Warning = field(kw_only=True, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class ChannelSummary:
    """The result for one channel over the whole stream.

    Attributes:
        inconclusive_reasons: stable words; empty if the verdict is conclusive.
        mean_spoof_probability: plain mean over the scored windows, the utterance score of
            file-based systems; None if no window was scored.
        first_alert_seconds: position of the first alert of a score; None if there was none.
        watermarks: found beside the classifier; the verdict does not follow from them.
    """

    channel: int
    verdict: Verdict
    inconclusive_reasons: tuple[str, ...]
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


@dataclass(frozen=True, slots=True)
class Summary:
    """The server's final result for the stream."""

    channels: tuple[ChannelSummary, ...]
    end_reason: EndReason
    proto: pb.StreamSummary = field(kw_only=True, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection broke or the server is shutting down; the client reconnects.

    Attributes:
        code, reason, message: as in `DetectionError`.
        retry_seconds: time until the next attempt.
        summary: the summary that a draining server sent.
    """

    code: str
    reason: str
    message: str
    retry_seconds: float
    summary: Summary | None


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The stream continues under the same id.

    Attributes:
        offset_seconds: position on the time line at which it continues.
        lost_seconds: audio that no server scored because it did not fit into the buffer. It
            becomes a gap on the time line.
        attempts: number of connection attempts.
        resumed: whether it continues with all its evidence. If not, the server knows nothing
            of what was scored before, and its evidence starts afresh.
    """

    offset_seconds: float
    lost_seconds: float
    attempts: int
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class AudioLost:
    """A live source outran the connection and the buffer, which left a gap on the time line."""

    offset_seconds: float
    lost_seconds: float


@dataclass(frozen=True, slots=True)
class Detection:
    """The result for a whole recording, with all its windows."""

    summary: Summary
    windows: tuple[WindowResult, ...]
    alerts: tuple[Alert, ...]
    warnings: tuple[StreamWarning, ...]
    model: ModelInfo
    proto: pb.DetectResponse = field(kw_only=True, repr=False, compare=False)


ServerEvent = Started | WindowResult | SpeechActivity | Alert | StreamWarning | Summary
ClientEvent = ConnectionLost | Reconnected | AudioLost
Event = ServerEvent | ClientEvent
