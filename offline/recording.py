"""One whole recording without a server: the stream's own core, and a detector at its side."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from dfd.detector.spec import LoadedModel
from dfd.detector.traits import default_policy, traits
from dfd.streaming.options import AudioFormat, SessionOptions, UtteranceScore
from dfd.streaming.session import StreamSession
from dfd.streaming.types import (
    Alert,
    ChannelSummary,
    FeedEvent,
    ResolveEvent,
    Window,
    WindowResult,
    WindowStatus,
)


@dataclass(slots=True)
class TrackScores:
    """The judgement of one channel of a recording.

    Attributes:
        utterance_probability: P(spoof) as systems that score files have it: the mean of the
            windows', or the first window's where the model's authors took that. None where no
            window was scored.
        results: of the scored windows that count for the mean: whole ones (and the last
            partial one) where there are any, provisional ones otherwise.
        alerts: as they were raised and cleared.
    """

    summary: ChannelSummary
    utterance_probability: float | None
    results: list[WindowResult] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)


def score_recording(
    chunks: Iterable[bytes], audio_format: AudioFormat, detector: LoadedModel
) -> list[TrackScores]:
    """Judges each channel of a recording as the daemon would judge it as a stream.

    Windows are scored in the detector's largest batches; however many there are, no more
    than one batch of them is held.

    Args:
        chunks: whole interleaved frames in the declared format.
        audio_format: what they are.
        detector: scores the windows.

    Raises:
        StreamError: the core refuses the audio.
    """
    spec = detector.spec
    session = StreamSession(
        SessionOptions(audio_format, traits(spec), alert_policy=default_policy(spec))
    )
    waiting: list[Window] = []
    events: list[ResolveEvent] = []
    for window in _windows(session, chunks):
        waiting.append(window)
        if len(waiting) == spec.batch_buckets[-1]:
            events += _resolve(session, waiting, detector)
            waiting.clear()
    events += _resolve(session, waiting, detector)
    results = [event for event in events if isinstance(event, WindowResult)]
    alerts = [event for event in events if isinstance(event, Alert)]
    rule = session.options.model.utterance_score
    return [
        TrackScores(
            summary,
            _utterance(summary, rule),
            _counted(results, summary),
            [alert for alert in alerts if alert.channel == summary.channel],
        )
        for summary in session.summary()
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
    """Scores one batch of windows and tells the session, in their order."""
    scoreable = [window for window in windows if window.scoreable]
    batch = np.zeros((len(scoreable), detector.spec.window_samples), np.float32)
    lengths = np.array([len(window.samples) for window in scoreable], np.int64)
    for row, window in zip(batch, scoreable, strict=True):
        row[: len(window.samples)] = window.samples
    scores = iter(detector.score(batch, lengths).tolist())
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


def _counted(results: list[WindowResult], summary: ChannelSummary) -> list[WindowResult]:
    scored = [
        result
        for result in results
        if result.window.channel == summary.channel and result.status is WindowStatus.SCORED
    ]
    return [result for result in scored if not result.window.provisional] or scored
