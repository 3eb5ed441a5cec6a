"""The state of a session as plain data: enough to continue it in another process.

The state refers to a *mark*, the position on the time line from which audio has to be fed again:
the start of the next window, and a little before it for the filters to settle. Everything judged
before that is in the numbers here; there is no audio.
"""

from dataclasses import dataclass

from dfd.streaming.types import Score, TrackMark, Watermark


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """A window that is still part of the rolling score."""

    start_sample: int
    end_sample: int
    speech_seconds: float
    score: Score


@dataclass(frozen=True, slots=True)
class PoolState:
    """The state of several combined windows; the meaning of `total` depends on the pool."""

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
        run: consecutive scored windows on the other side of the threshold.
        not_before: time before which there is no new alert, in seconds.
        times_raised: number of alerts so far.
        raised_at, score: position and score of the active alert; None if there is none.
    """

    run: int
    not_before: float
    times_raised: int
    raised_at: float | None
    score: Score | None


@dataclass(frozen=True, slots=True)
class QualityState:
    """Signal quality: `bands` is the power in each band so far."""

    samples: int
    clipped: int
    bands: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class WatermarkState:
    """Watermark readings: the last readings of each scheme, and what was found."""

    asked: int
    next_start: int
    latest: dict[str, tuple[float, ...]]
    found: tuple[Watermark, ...]


@dataclass(frozen=True, slots=True)
class JudgeState:
    """The state of one judge; `counts` are windows in the order of `WindowStatus`."""

    evidence: EvidenceState
    alerts: tuple[AlertMemory, ...]
    quality: QualityState
    observed_until: int
    counts: tuple[int, ...]
    first_alert_seconds: float | None
    watermarks: WatermarkState


@dataclass(frozen=True, slots=True)
class ChannelState:
    """One channel: where its track continues, and the state of its judge."""

    mark: TrackMark
    judge: JudgeState


@dataclass(frozen=True, slots=True)
class SessionState:
    """A whole session.

    Attributes:
        frames: position from which audio is fed again, in frames at the declared rate.
        channels: the judged channels, in ascending order.
    """

    frames: int
    channels: tuple[ChannelState, ...]
