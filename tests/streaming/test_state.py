"""A session that resumes with the state of another, as if it had never ended."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfd.streaming.options import (
    AlertPolicy,
    AudioFormat,
    ModelTraits,
    SessionOptions,
    UtteranceScore,
)
from dfd.streaming.session import StreamSession
from dfd.streaming.state import SessionState
from dfd.streaming.types import (
    Alert,
    ChannelSummary,
    Encoding,
    FeedEvent,
    Window,
    WindowResult,
    WindowStatus,
)
from tests.streaming.helpers import (
    RATE,
    LoudnessVad,
    linear16,
    mono,
    silence,
    speech_like,
    tone,
)

MODEL = ModelTraits(window_samples=RATE, hop_samples=RATE // 2, min_speech_seconds=0.3)
QUICK = AlertPolicy(rolling_threshold=0.7, cumulative_threshold=0.7, consecutive_windows=2)


def score(window: Window) -> float:
    """Returns a score that depends on the samples, sometimes spoof and sometimes not."""
    return float(np.sin(np.abs(window.samples).sum() * 3.0)) * 3.0


@dataclass
class Told:
    """The results and alerts of a session, by name."""

    windows: dict[tuple[int, int], Any] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)

    def take(
        self, session: StreamSession, events: list[FeedEvent], of: Callable[..., bool]
    ) -> None:
        for window in events:
            if not isinstance(window, Window) or not of(window):
                continue
            status = WindowStatus.SCORED if window.scoreable else WindowStatus.INSUFFICIENT_SPEECH
            for event in session.resolve(window, status, score(window)):
                if isinstance(event, WindowResult):
                    self.windows[window.channel, window.sequence] = (
                        window.start_sample,
                        window.end_sample,
                        window.provisional,
                        window.final,
                        event.status,
                        event.rolling_score,
                        event.cumulative_score,
                    )
                elif isinstance(event, Alert):
                    self.alerts.append(event)


def always(_: Window) -> bool:
    return True


def start(options: SessionOptions, state: SessionState | None = None) -> StreamSession:
    return StreamSession(options, LoudnessVad, keep_state=True, state=state)


def whole(options: SessionOptions, content: bytes) -> tuple[Told, list[ChannelSummary]]:
    told, session = Told(), start(options)
    told.take(session, session.feed(content), always)
    told.take(session, session.finish(), always)
    return told, session.summary()


@settings(max_examples=30, deadline=None)
@given(
    breaks=st.lists(st.integers(1, 6_000), min_size=1, max_size=3, unique=True),
    utterance=st.sampled_from(UtteranceScore),
    channels=st.integers(1, 2),
    talk=st.lists(st.sampled_from([0.4, 0.9, 2.5]), min_size=2, max_size=5),
)
def test_a_stream_moved_between_sessions_has_the_same_results(
    breaks: list[int], utterance: UtteranceScore, channels: int, talk: list[float]
) -> None:
    """However often it is moved, windows, scores, alerts and summary are those of one session."""
    options = SessionOptions(
        AudioFormat(Encoding.LINEAR16, RATE, channels),
        replace(MODEL, utterance_score=utterance),
        alert_policy=QUICK,
    )
    voice = np.concatenate(
        [part for at, s in enumerate(talk) for part in (speech_like(s, seed=at), silence(0.6))]
    )
    content = linear16(np.stack([np.roll(voice, 4_000 * c) for c in range(channels)], axis=1))
    frame = options.audio_format.bytes_per_frame
    expected, summary = whole(options, content)

    told, session, at = Told(), start(options), 0
    for end in sorted(breaks):
        # windows after the break are cut but never resolved, as in a killed process
        cut = min(end * RATE // 1000 * frame, len(content))
        told.take(session, session.feed(content[at:cut]), always)
        state = session.state
        session, at = start(options, state), 0 if state is None else state.frames * frame
    told.take(session, session.feed(content[at:]), always)
    told.take(session, session.finish(), always)

    assert told.windows == expected.windows
    assert set(told.alerts) == set(expected.alerts)
    if channels == 1:  # otherwise one channel may be ahead of the others
        assert told.alerts == expected.alerts
    for one, other in zip(session.summary(), summary, strict=True):
        assert one == other


def test_channels_resume_from_their_common_position() -> None:
    """One channel is judged far behind the other: windows ahead are judged again, not twice."""
    options = SessionOptions(AudioFormat(Encoding.LINEAR16, RATE, 2), MODEL)
    content = linear16(np.stack([speech_like(6.0), speech_like(6.0, seed=4)], axis=1))
    expected, summary = whole(options, content)
    told, session = Told(), start(options)
    told.take(
        session,
        session.feed(content[: 5 * RATE * 4]),
        lambda window: window.channel == 0 or window.end_sample <= 2 * RATE,
    )
    assert session.state is not None
    assert session.state.frames <= 2 * RATE
    assert len({one.mark.position for one in session.state.channels}) == 1
    at = session.state.frames
    session = start(options, session.state)
    told.take(session, session.feed(content[at * 4 :]), always)
    told.take(session, session.finish(), always)
    assert told.windows == expected.windows
    assert session.summary() == summary


def test_only_audio_lost_in_between_is_a_gap() -> None:
    options = mono(8_000, model=MODEL)
    session = start(options)
    content = linear16(speech_like(8.0, 8_000))
    Told().take(session, session.feed(content[: 5 * 16_000]), always)
    assert session.state is not None
    heard = session.summary()[0].windows_scored
    again = start(options, session.state)
    told = Told()
    told.take(again, again.feed(content[7 * 16_000 :], sample_offset=7 * 8_000), always)
    told.take(again, again.finish(), always)
    found = again.summary()[0]
    assert found.gap_seconds == pytest.approx(7.0 - session.state.frames / 8_000)
    assert found.audio_seconds == 8.0
    assert found.windows_scored > heard


def test_an_active_alert_is_not_raised_again() -> None:
    """It stays active, with its position and score, and it can be cleared."""
    options = mono(model=MODEL, alert_policy=AlertPolicy(cumulative_threshold=1.0, hysteresis=0.3))
    session = start(options)
    raised = [
        event
        for window in session.feed(linear16(speech_like(6.0)))
        if isinstance(window, Window)
        for event in session.resolve(window, WindowStatus.SCORED, 4.0)
        if isinstance(event, Alert)
    ]
    assert len(raised) == 1
    assert session.state is not None
    again = start(options, session.state)
    assert again.standing_alerts() == raised
    assert again.alerts_raised() == {0: 1}
    more = []
    for window in again.feed(linear16(speech_like(9.0)), session.state.frames):
        if isinstance(window, Window):
            llr = 4.0 if window.end_seconds < 9.0 else -4.0
            said = again.resolve(window, WindowStatus.SCORED, llr)
            more += [event for event in said if isinstance(event, Alert)]
    assert [alert.cleared for alert in more] == [True]
    assert again.standing_alerts() == []
    assert again.summary()[0].first_alert_seconds == raised[0].offset_seconds


def test_no_state_is_kept_by_default() -> None:
    session = StreamSession(mono(model=MODEL), LoudnessVad)
    Told().take(session, session.feed(linear16(tone(3.0))), always)
    assert session.state is None


def test_a_state_of_other_channels_is_refused() -> None:
    session = start(mono(model=MODEL))
    Told().take(session, session.feed(linear16(tone(3.0))), always)
    assert session.state is not None
    with pytest.raises(ValueError, match="zip"):
        start(SessionOptions(AudioFormat(Encoding.LINEAR16, RATE, 2), MODEL), session.state)
