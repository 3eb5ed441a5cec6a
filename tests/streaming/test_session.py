import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfd.streaming.options import AudioFormat, ModelTraits, SessionOptions, VadOptions
from dfd.streaming.session import StreamSession
from dfd.streaming.types import (
    Alert,
    Encoding,
    FeedEvent,
    Reason,
    StreamError,
    StreamWarning,
    Verdict,
    Window,
    WindowResult,
)
from tests.streaming.helpers import (
    RATE,
    LoudnessVad,
    chunked,
    linear16,
    loudness_session,
    mono,
    resolve_all,
    run,
    silence,
    speech_like,
    tone,
    windows_of,
)

SHORT_MODEL = ModelTraits(window_samples=16_000, hop_samples=8_000)


def facts(event: FeedEvent) -> Any:
    """Returns what equal events have in common, including samples, bit for bit."""
    if isinstance(event, Window):
        return (
            event.channel,
            event.sequence,
            event.start_sample,
            event.end_sample,
            event.samples.tobytes(),
            event.speech_seconds,
            event.gap_seconds,
            event.provisional,
            event.final,
            event.scoreable,
        )
    return event


def by_channel(events: list[FeedEvent], channel: int) -> list[Any]:
    return [facts(e) for e in events if e.channel == channel]


@settings(max_examples=40)
@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000]),
    encoding=st.sampled_from(Encoding),
    channels=st.integers(1, 3),
    sizes=st.lists(st.integers(1, 20_000), min_size=1, max_size=6),
)
def test_chunking_changes_no_bit(
    rate: int, encoding: Encoding, channels: int, sizes: list[int]
) -> None:
    options = SessionOptions(AudioFormat(encoding, rate, channels), SHORT_MODEL)
    frame_bytes = options.audio_format.bytes_per_frame
    voice = speech_like(2.3, rate)
    frames = np.stack([np.roll(voice, 1_000 * c) for c in range(channels)], axis=1)
    if encoding is Encoding.FLOAT32:
        content = frames.astype("<f4").tobytes()
    elif encoding is Encoding.LINEAR16:
        content = linear16(frames)
    else:
        content = np.random.default_rng(0).integers(0, 256, frames.shape, np.uint8).tobytes()
    whole = run(StreamSession(options), [content])
    # a larger chunk after the others, so that tiny ones do not take most of the time
    cuts = [size * frame_bytes for size in (*sizes, 2_000)]
    cut = run(StreamSession(options), chunked(content, cuts))
    assert windows_of(whole)
    for channel in range(channels):
        assert by_channel(cut, channel) == by_channel(whole, channel)


def test_one_sample_at_a_time() -> None:
    options = SessionOptions(AudioFormat(Encoding.LINEAR16, 8_000), SHORT_MODEL)
    content = linear16(speech_like(1.6, 8_000))
    whole = run(StreamSession(options), [content])
    assert by_channel(run(StreamSession(options), chunked(content, [2])), 0) == by_channel(whole, 0)


@settings(max_examples=30)
@given(
    rate=st.sampled_from([8_000, 16_000, 44_100]),
    spans=st.lists(st.tuples(st.integers(1, 9_000), st.integers(0, 30_000)), max_size=5),
    size=st.integers(100, 5_000),
)
def test_chunking_changes_no_bit_around_gaps(
    rate: int, spans: list[tuple[int, int]], size: int
) -> None:
    options = SessionOptions(AudioFormat(Encoding.LINEAR16, rate), SHORT_MODEL)
    voice = linear16(speech_like(1.5, rate))

    def feed(session: StreamSession, step: int) -> list[FeedEvent]:
        events, position = [], 0
        for heard, lost in spans:
            content = voice[: 2 * heard]
            for at in range(0, len(content), 2 * step):
                events += session.feed(content[at : at + 2 * step], position + at // 2)
            position += heard + lost
        return events + session.feed(b"", position) + session.finish()

    assert by_channel(feed(StreamSession(options), size), 0) == by_channel(
        feed(StreamSession(options), 10**6), 0
    )


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("seconds", [0.5, 4.0, 9.3])
def test_the_time_line_is_as_long_as_the_audio(rate: int, seconds: float) -> None:
    session = loudness_session(mono(rate))
    cuts = windows_of(run(session, [linear16(tone(seconds, rate))]))
    assert session.audio_seconds == pytest.approx(seconds, abs=1 / rate)
    assert cuts[-1].end_seconds == pytest.approx(seconds, abs=1 / rate)
    assert session.summary()[0].audio_seconds == pytest.approx(seconds, abs=2 / rate)


def test_each_channel_is_a_track() -> None:
    options = SessionOptions(AudioFormat(Encoding.LINEAR16, RATE, 2))
    session = loudness_session(options)
    frames = np.stack([tone(8.0), silence(8.0)], axis=1)
    events = run(session, [linear16(frames)])
    assert [w.scoreable for w in windows_of(events) if w.channel == 0 and not w.provisional] == [
        True
    ] * 3
    assert [w.scoreable for w in windows_of(events) if w.channel == 1] == [False] * 3
    resolve_all(session, events, 3.0)
    assert [s.verdict for s in session.summary()] == [Verdict.SPOOF, Verdict.INCONCLUSIVE]


def test_only_the_channels_asked_for_are_judged() -> None:
    options = SessionOptions(AudioFormat(Encoding.LINEAR16, RATE, 3), channels=(2,))
    session = loudness_session(options)
    frames = np.stack([silence(4.0), silence(4.0), tone(4.0)], axis=1)
    cuts = windows_of(run(session, [linear16(frames)]))
    assert {w.channel for w in cuts} == {2}
    assert cuts[-1].speech_seconds == pytest.approx(4.0)
    assert [s.channel for s in session.summary()] == [2]


def test_an_offset_ahead_is_a_gap() -> None:
    session = loudness_session()
    session.feed(linear16(tone(1.0)), 0)
    events = session.feed(linear16(tone(2.0)), 2 * RATE) + session.finish()
    (cut,) = [w for w in windows_of(events) if not w.provisional]
    assert (cut.end_seconds, cut.gap_seconds) == (4.0, 1.0)
    assert session.audio_seconds == 4.0
    (summary,) = session.summary()
    assert summary.gap_seconds == 1.0


def test_a_reconnected_stream_continues_on_its_time_line() -> None:
    session = loudness_session()
    events = session.feed(linear16(tone(4.0)), 60 * RATE) + session.finish()
    cuts = [w for w in windows_of(events) if w.scoreable and not w.provisional]
    assert cuts[0].start_seconds >= 58.0
    assert cuts[-1].end_seconds == 64.0


def test_gaps_are_reported_now_and_then() -> None:
    session = loudness_session()
    events: list[FeedEvent] = []
    for second in range(0, 30, 2):
        events += session.feed(linear16(tone(1.0)), second * RATE)
    warnings = [e for e in events if isinstance(e, StreamWarning)]
    assert [w.reason for w in warnings] == [Reason.AUDIO_GAP] * 3
    assert [w.offset_seconds for w in warnings] == [1.0, 11.0, 21.0]
    assert "6.000 s in all" in warnings[1].message


@pytest.mark.parametrize(
    ("offset", "reason"), [(RATE - 1, "OFFSET_BACKWARD"), (2**62, "OFFSET_TOO_FAR")]
)
def test_an_impossible_offset_is_refused_and_changes_nothing(offset: int, reason: str) -> None:
    session = loudness_session()
    session.feed(linear16(tone(1.0)))
    with pytest.raises(StreamError) as caught:
        session.feed(linear16(tone(1.0)), offset)
    assert caught.value.reason == reason
    assert session.audio_seconds == 1.0
    session.feed(linear16(tone(1.0)), RATE)
    assert session.audio_seconds == 2.0


def test_a_bad_chunk_changes_nothing() -> None:
    session = StreamSession(SessionOptions(AudioFormat(Encoding.FLOAT32, RATE)))
    with pytest.raises(StreamError):
        session.feed(struct.pack("<f", float("nan")), 5 * RATE)
    assert session.audio_seconds == 0.0


def test_finish_is_accepted_once() -> None:
    session = loudness_session()
    session.feed(linear16(tone(1.0)))
    assert session.finish()
    assert session.finish() == []


def test_scores_come_back_as_results_and_alerts() -> None:
    session = loudness_session()
    results = resolve_all(session, run(session, [linear16(tone(8.0))]), 4.0)
    assert [type(r) for r in results].count(WindowResult) == 5
    assert any(isinstance(r, Alert) for r in results)
    (summary,) = session.summary()
    assert summary.verdict is Verdict.SPOOF
    assert summary.first_alert_seconds == 2.0


def test_an_hour_of_silence_is_allowed_and_inconclusive() -> None:
    session = loudness_session(mono(model=SHORT_MODEL))
    content = linear16(silence(60.0))
    events = [event for _ in range(60) for event in session.feed(content)] + session.finish()
    assert len(windows_of(events)) == 2 * 3_600 - 1
    resolve_all(session, events, 0.0)
    (summary,) = session.summary()
    assert summary.verdict is Verdict.INCONCLUSIVE
    assert summary.inconclusive_reasons == (Reason.TOO_LITTLE_SPEECH,)


def test_gaps_are_cleaner_than_splices() -> None:
    """A gap keeps the position of what follows: the samples after it are the same as without it."""
    content = linear16(tone(6.0, 8_000))
    whole = run(loudness_session(mono(8_000)), [content])
    lossy = loudness_session(mono(8_000))
    events = lossy.feed(content[:16_000], 0) + lossy.feed(content[32_000:], 16_000)
    events += lossy.finish()
    last_whole, last_lossy = windows_of(whole)[-1], windows_of(events)[-1]
    assert last_whole.end_sample == last_lossy.end_sample
    difference = last_whole.samples - last_lossy.samples
    assert np.abs(difference[1_000:]).max() < 1e-4


def test_the_default_detector_detects_a_voice() -> None:
    session = StreamSession(mono(vad=VadOptions(aggressiveness=3)))
    session.feed(linear16(speech_like(5.0)))
    assert session.summary()[0].speech_seconds > 2.0


def test_detectors_are_not_shared() -> None:
    made: list[LoudnessVad] = []

    def new_vad() -> LoudnessVad:
        made.append(LoudnessVad())
        return made[-1]

    StreamSession(SessionOptions(AudioFormat(Encoding.LINEAR16, RATE, 4)), new_vad)
    assert len(made) == 4


def test_quiet_audio_is_counted_at_the_declared_rate() -> None:
    options = SessionOptions(AudioFormat(Encoding.LINEAR16, 8_000), provisional_seconds=())
    session = loudness_session(options)
    assert session.quiet_frames == 4 * 8_000
    kept_back = linear16(tone(4.0, 8_000))[: 2 * (session.quiet_frames - 1)]
    assert windows_of(session.feed(kept_back)) == []
    assert 1 <= session.quiet_frames <= 1_000  # the samples in the resampler are still to come


@pytest.mark.parametrize("refused", [False, True])
def test_a_gap_is_a_day_at_most(refused: bool) -> None:
    session = loudness_session()
    offset = 24 * 3_600 * RATE + refused
    if refused:
        with pytest.raises(StreamError, match="more than 24 hours"):
            session.feed(b"", offset)
    else:
        session.feed(b"", offset)
        assert session.audio_seconds == 24 * 3_600
