"""What a session has come to, as plain data: enough to go on with it in another process.

The state of a session stands at a *mark*, the place on the time line from which its audio has
to be heard again: the start of the next window, and a little before it for the filters to
settle. All that was judged before is in the numbers here; no audio is.
"""

from dataclasses import dataclass

from dfd.streaming.types import Score, Watermark


@dataclass(frozen=True, slots=True)
class TrackMark:
    """Where a track goes on after one of its windows.

    Attributes:
        position: from where its audio is heard again, in samples of the model's rate.
        next_start, last_end, sequence: of the windows to come, and of the last one cut.
        provisional: samples of speech after which early windows are still to be taken.
        speech_samples: up to `next_start`.
        gap_samples: up to `position`.
    """

    position: int
    next_start: int
    last_end: int
    sequence: int
    provisional: tuple[int, ...]
    speech_samples: int
    gap_samples: int


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """A window that the rolling score still holds."""

    start_sample: int
    end_sample: int
    speech_seconds: float
    score: Score


@dataclass(frozen=True, slots=True)
class PoolState:
    """What several windows came to; what `total` adds up is the pool's own affair."""

    covered_until: int = 0
    speech_seconds: float = 0.0
    total: float = 0.0
    count: int = 0


@dataclass(frozen=True, slots=True)
class EvidenceState:
    """The scores of one track."""

    recent: tuple[ScoredWindow, ...]
    total: PoolState
    probability_sum: float
    windows: int
    provisional_windows: int
    rolling: Score | None
    cumulative: Score | None
    peak_rolling: Score | None


@dataclass(frozen=True, slots=True)
class AlertMemory:
    """One trigger of one track.

    Attributes:
        run: scored windows in a row on the other side.
        not_before: no new alert before this, in seconds.
        times_raised: so far.
        raised_at, score: of the alert that stands; None where none does.
    """

    run: int
    not_before: float
    times_raised: int
    raised_at: float | None
    score: Score | None


@dataclass(frozen=True, slots=True)
class QualityState:
    """Signs in the signal: `bands` is the power in each band so far."""

    samples: int
    clipped: int
    bands: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MarkState:
    """What was read of watermarks: the last readings of each scheme, and what was found."""

    asked: int
    next_start: int
    latest: dict[str, tuple[float, ...]]
    found: tuple[Watermark, ...]


@dataclass(frozen=True, slots=True)
class JudgeState:
    """One channel's judgement; `counts` are of windows, in the order of `WindowStatus`."""

    evidence: EvidenceState
    alerts: tuple[AlertMemory, ...]
    quality: QualityState
    observed_until: int
    counts: tuple[int, ...]
    first_alert_seconds: float | None
    marks: MarkState


@dataclass(frozen=True, slots=True)
class ChannelState:
    """One channel: where its track goes on, and what was judged before."""

    mark: TrackMark
    judge: JudgeState


@dataclass(frozen=True, slots=True)
class SessionState:
    """A whole session.

    Attributes:
        frames: from where its audio is heard again, in frames of the declared rate.
        channels: in ascending order of the channels that are judged.
    """

    frames: int
    channels: tuple[ChannelState, ...]
