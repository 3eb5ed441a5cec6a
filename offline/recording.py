"""Scores one whole recording without a server: the core of a stream together with a detector."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dfd.detector.buckets import stack
from dfd.detector.spec import LoadedModel
from dfd.detector.traits import default_policy, traits
from dfd.streaming.judgement.watermarks import Reading
from dfd.streaming.options import AudioFormat, SessionOptions, UtteranceScore
from dfd.streaming.session import StreamSession
from dfd.streaming.types import (
    Alert,
    ChannelSummary,
    FeedEvent,
    ResolveEvent,
    Samples,
    Window,
    WindowResult,
    WindowStatus,
)

ReadMarks = Callable[[Samples, int], Sequence[Reading]]


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """A window's position and score, without its audio."""

    start_seconds: float
    end_seconds: float
    spoof_probability: float


@dataclass(slots=True)
class _Tally:
    """The scored windows of one channel: full ones (and the last partial one), and early ones."""

    counts: list[int] = field(default_factory=lambda: [0, 0])
    kept: tuple[list[ScoredWindow], list[ScoredWindow]] = field(default_factory=lambda: ([], []))
    alerts: list[Alert] = field(default_factory=list)

    def take(self, result: WindowResult, *, keep: bool) -> None:
        if result.status is not WindowStatus.SCORED:
            return
        window, score = result.window, result.window_score
        self.counts[window.provisional] += 1
        if keep and score is not None:
            self.kept[window.provisional].append(
                ScoredWindow(window.start_seconds, window.end_seconds, score.spoof_probability)
            )


@dataclass(slots=True)
class TrackScores:
    """The result for one channel of a recording.

    Attributes:
        utterance_probability: P(spoof) as in systems that score files: the mean of the windows',
            or the first window's if the model's authors used that. None if no window was scored.
        windows: number of scored windows in the mean: full ones (and the last partial one) if
            there are any, otherwise provisional ones.
        scored: these windows, if requested; otherwise empty.
        alerts: alerts, raised and cleared.
    """

    summary: ChannelSummary
    utterance_probability: float | None
    windows: int = 0
    scored: list[ScoredWindow] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)


def score_recording(
    chunks: Iterable[bytes],
    audio_format: AudioFormat,
    detector: LoadedModel,
    *,
    keep_windows: bool = False,
    observe: Callable[[WindowResult], None] | None = None,
    read_marks: ReadMarks | None = None,
) -> list[TrackScores]:
    """Scores each channel of a recording as the daemon would score it as a stream.

    Windows are scored in the detector's largest batches; however many there are, no more
    than one batch of them is held.

    Args:
        chunks: whole interleaved frames in the declared format.
        audio_format: format of the chunks.
        detector: scores the windows.
        keep_windows: whether to keep each window's score, which needs memory for each window.
        read_marks: reads samples at a rate for watermarks; without it none are looked for.
        observe: called with the outcome of every window, even early ones, in order within a
            channel.

    Raises:
        StreamError: if the core refuses the audio.
    """
    spec = detector.spec
    session = StreamSession(
        SessionOptions(audio_format, traits(spec), alert_policy=default_policy(spec))
    )
    tallies: dict[int, _Tally] = defaultdict(_Tally)
    waiting: list[Window] = []

    def resolve() -> None:
        for event in _resolve(session, waiting, detector):
            if isinstance(event, Alert):
                tallies[event.channel].alerts.append(event)
            elif isinstance(event, WindowResult):
                tallies[event.window.channel].take(event, keep=keep_windows)
                if observe is not None:
                    observe(event)
        waiting.clear()

    for window in _windows(session, chunks):
        if read_marks is not None and session.wants_read(window):
            for reading in read_marks(window.samples, spec.sample_rate_hz):
                tallies[window.channel].alerts += session.add_reading(window, reading)
        waiting.append(window)
        if len(waiting) == spec.batch_buckets[-1]:
            resolve()
    resolve()
    rule = session.options.model.utterance_score
    return [
        TrackScores(
            summary,
            _utterance(summary, rule),
            tally.counts[0] or tally.counts[1],
            tally.kept[0] if tally.counts[0] else tally.kept[1],
            tally.alerts,
        )
        for summary in session.summary()
        for tally in (tallies[summary.channel],)
    ]


def _windows(session: StreamSession, chunks: Iterable[bytes]) -> Iterator[Window]:
    def only(events: list[FeedEvent]) -> Iterator[Window]:
        return (event for event in events if isinstance(event, Window))

    for chunk in chunks:
        yield from only(session.feed(chunk))
    yield from only(session.finish())


def _resolve(
    session: StreamSession, windows: list[Window], detector: LoadedModel
) -> list[ResolveEvent]:
    """Scores one batch of windows and passes the scores to the session in order."""
    scoreable = [window for window in windows if window.scoreable]
    batch = stack([window.samples for window in scoreable], detector.spec.window_samples)
    scores = iter(detector.score(*batch).tolist())
    events: list[ResolveEvent] = []
    for window in windows:
        if window.scoreable:
            events += session.resolve(window, WindowStatus.SCORED, next(scores))
        else:
            events += session.resolve(window, WindowStatus.INSUFFICIENT_SPEECH)
    return events


def _utterance(summary: ChannelSummary, rule: UtteranceScore) -> float | None:
    if rule is UtteranceScore.FIRST and summary.cumulative_score is not None:
        return summary.cumulative_score.spoof_probability
    return summary.mean_spoof_probability
