import numpy as np
import pytest

from dfd.streaming.options import ModelTraits, SessionOptions, VadOptions
from dfd.streaming.track import Track
from dfd.streaming.types import FeedEvent, Samples, SpeechActivity, Window
from tests.streaming.helpers import RATE, LoudnessVad, mono, silence, tone, windows_of

NO_HANGOVER = VadOptions(hangover_seconds=0.0)


def track(options: SessionOptions | None = None) -> Track:
    return Track(0, options or mono(vad=NO_HANGOVER, provisional_seconds=()), LoudnessVad())


def spans(events: list[FeedEvent]) -> list[tuple[float, float]]:
    return [(w.start_seconds, w.end_seconds) for w in windows_of(events)]


def written(subject: Track, samples: Samples) -> list[FeedEvent]:
    return subject.write(samples) + subject.finish()


def test_windows_are_on_the_grid_of_hops() -> None:
    events = written(track(), tone(10.0))
    assert spans(events) == [(0, 4), (2, 6), (4, 8), (6, 10)]
    assert [w.sequence for w in windows_of(events)] == [0, 1, 2, 3]
    assert not any(w.final or w.provisional for w in windows_of(events))


def test_a_window_contains_its_samples() -> None:
    samples = tone(10.0) * np.linspace(0.5, 1.0, 10 * RATE, dtype=np.float32)
    for cut in windows_of(written(track(), samples)):
        assert np.array_equal(cut.samples, samples[cut.start_sample : cut.end_sample])
        assert cut.speech_seconds == pytest.approx(4.0)


def test_the_remainder_is_a_last_partial_window() -> None:
    events = written(track(), tone(6.7))
    assert spans(events) == [(0, 4), (2, 6), (4, pytest.approx(6.7))]
    assert [w.final for w in windows_of(events)] == [False, False, True]


def test_a_short_stream_is_one_partial_window() -> None:
    (cut,) = windows_of(written(track(), tone(1.5)))
    assert (cut.start_seconds, cut.end_seconds, cut.final) == (0.0, 1.5, True)
    assert len(cut.samples) == 24_000
    assert cut.speech_seconds == pytest.approx(1.5)


def test_a_stream_that_ends_with_a_window_has_no_partial_window() -> None:
    assert spans(written(track(), tone(4.0))) == [(0, 4)]


def test_an_empty_stream_has_no_window() -> None:
    subject = track()
    assert subject.finish() == []
    assert subject.end == 0


def test_hop_as_long_as_the_window() -> None:
    options = mono(hop_seconds=4.0, vad=NO_HANGOVER, provisional_seconds=())
    assert spans(written(track(options), tone(9.0))) == [(0, 4), (4, 8), (8, 9)]


def test_window_and_hop_need_not_match_vad_frames() -> None:
    options = mono(window_seconds=1.111, hop_seconds=0.5, provisional_seconds=())
    samples = tone(3.0)
    cuts = windows_of(written(track(options), samples))
    assert [w.start_sample for w in cuts] == [0, 8_000, 16_000, 24_000, 32_000]
    assert [len(w.samples) for w in cuts] == [17_776, 17_776, 17_776, 17_776, 16_000]
    for cut in cuts:
        assert np.array_equal(cut.samples, samples[cut.start_sample : cut.end_sample])


def test_the_time_line_ends_where_the_audio_does() -> None:
    subject = track()
    written(subject, tone(1.0)[:-7])
    assert subject.end == RATE - 7


def test_a_window_with_too_little_speech_is_not_worth_scoring() -> None:
    samples = np.concatenate([silence(3.6), tone(0.4), silence(4.0)])
    cuts = windows_of(written(track(), samples))
    assert [w.scoreable for w in cuts] == [False, False, False]
    assert [w.speech_seconds for w in cuts] == pytest.approx([0.4, 0.4, 0.0])


def test_silence_makes_windows_too() -> None:
    assert len(spans(written(track(), silence(60.0)))) == 29


def test_provisional_windows_after_one_and_two_seconds_of_speech() -> None:
    options = mono(vad=NO_HANGOVER)
    cuts = windows_of(written(track(options), np.concatenate([silence(0.5), tone(7.5)])))
    assert [(w.start_seconds, w.end_seconds, w.provisional) for w in cuts] == [
        (0.0, 1.5, True),
        (0.0, 2.5, True),
        (0.0, 4.0, False),
        (2.0, 6.0, False),
        (4.0, 8.0, False),
    ]
    assert [w.sequence for w in cuts] == [0, 1, 2, 3, 4]


def test_provisional_windows_wait_for_speech() -> None:
    options = mono(vad=NO_HANGOVER)
    samples = np.concatenate([silence(3.8), tone(4.2)])
    cuts = [w for w in windows_of(written(track(options), samples)) if w.scoreable]
    assert [(w.start_seconds, w.end_seconds, w.provisional) for w in cuts] == [
        (pytest.approx(0.8), pytest.approx(4.8), True),
        (pytest.approx(1.8), pytest.approx(5.8), True),
        (2.0, 6.0, False),
        (4.0, 8.0, False),
    ]


def test_no_provisional_window_once_a_whole_one_is_worth_scoring() -> None:
    options = mono(vad=NO_HANGOVER)
    samples = np.concatenate([silence(3.4), tone(4.6)])
    assert not any(w.provisional for w in windows_of(written(track(options), samples)))


def test_no_provisional_window_that_is_not_worth_scoring() -> None:
    options = mono(vad=NO_HANGOVER, min_speech_seconds=1.5)
    cuts = windows_of(written(track(options), tone(4.0)))
    assert [(w.end_seconds, w.provisional) for w in cuts] == [(2.0, True), (4.0, False)]


def test_activity_begins_and_ends_with_hangover() -> None:
    options = mono(vad=VadOptions(hangover_seconds=0.2))
    samples = np.concatenate([silence(1.0), tone(1.0), silence(1.0), tone(0.5)])
    events = [e for e in written(track(options), samples) if isinstance(e, SpeechActivity)]
    assert [(e.began, e.offset_seconds) for e in events] == [
        (True, 1.0),
        (False, pytest.approx(2.2)),
        (True, 3.0),
        (False, 3.5),
    ]


def test_a_short_gap_is_zeros_on_the_time_line() -> None:
    subject = track()
    events = subject.write(tone(1.0)) + subject.skip(RATE) + written(subject, tone(2.0))
    (cut,) = windows_of(events)
    assert (cut.start_sample, cut.end_sample) == (0, 4 * RATE)
    assert cut.gap_seconds == pytest.approx(1.0)
    assert cut.speech_seconds == pytest.approx(3.0)
    assert not cut.samples[RATE : 2 * RATE].any()
    assert cut.samples[2 * RATE :].any()
    assert subject.gap_seconds == pytest.approx(1.0)


def test_a_window_that_is_mostly_gap_is_not_worth_scoring() -> None:
    subject = track()
    events = subject.write(tone(1.5)) + subject.skip(round(2.1 * RATE))
    events += written(subject, tone(0.4))
    (cut,) = windows_of(events)
    assert cut.speech_seconds == pytest.approx(1.9)
    assert not cut.scoreable


@pytest.mark.parametrize(("gap_seconds", "scoreable"), [(1.95, True), (2.05, False)])
def test_half_of_a_window_may_be_missing(gap_seconds: float, scoreable: bool) -> None:
    subject = track()
    events = subject.write(tone(1.5)) + subject.skip(round(gap_seconds * RATE))
    events += written(subject, tone(2.5 - gap_seconds))
    (cut,) = [w for w in windows_of(events) if not w.provisional]
    assert cut.scoreable is scoreable


def test_gaps_contain_no_speech() -> None:
    subject = Track(0, mono(vad=VadOptions(hangover_seconds=1.0)), LoudnessVad())
    subject.write(tone(1.0))
    subject.skip(RATE)
    subject.finish()
    assert subject.speech_seconds == pytest.approx(1.0)


@pytest.mark.parametrize("gap_seconds", [4.1, 7.0, 10.0, 3_600.0])
def test_windows_entirely_in_a_gap_are_skipped(gap_seconds: float) -> None:
    subject = track()
    gap = round(gap_seconds * RATE)
    events = subject.write(tone(5.0)) + subject.skip(gap) + written(subject, tone(5.0))
    cuts = windows_of(events)
    resumed = 5 * RATE + gap
    assert [w.sequence for w in cuts] == list(range(len(cuts)))
    assert all(w.start_sample % (2 * RATE) == 0 for w in cuts)
    assert all(w.gap_seconds < 4.0 for w in cuts)
    expected = [
        start
        for start in range(0, resumed + 5 * RATE, 2 * RATE)
        if (start < 5 * RATE or start + 4 * RATE > resumed) and start + 4 * RATE <= subject.end
    ]
    assert [w.start_sample for w in cuts if not w.final] == expected
    for cut in cuts:
        before = max(0, min(cut.end_sample, 5 * RATE) - cut.start_sample)
        after = max(0, cut.end_sample - max(cut.start_sample, resumed))
        assert round(cut.gap_seconds * RATE) == len(cut.samples) - before - after
        assert cut.speech_seconds * RATE == pytest.approx(before + after, abs=320)
    assert subject.end == resumed + 5 * RATE
    assert windows_of(events)[-1].end_sample == subject.end


def test_a_long_gap_ends_activity_and_resets_the_detector() -> None:
    vad = LoudnessVad()
    subject = Track(0, mono(vad=VadOptions(hangover_seconds=0.2)), vad)
    events = subject.write(tone(1.0)) + subject.skip(3_600 * RATE)
    ends = [e for e in events if isinstance(e, SpeechActivity) and not e.began]
    assert [e.offset_seconds for e in ends] == [pytest.approx(1.0)]
    assert vad.resets == 1


def test_no_window_consists_only_of_the_final_gap() -> None:
    subject = track()
    events = subject.write(tone(4.0)) + subject.skip(4 * RATE) + subject.finish()
    assert spans(events) == [(0, 4), (2, 6)]


def test_an_empty_gap_changes_nothing() -> None:
    subject = track()
    assert subject.skip(0) == []
    assert subject.gap_seconds == 0.0


def test_memory_does_not_grow_with_the_call() -> None:
    model = ModelTraits(window_samples=16_000, hop_samples=8_000)
    subject = track(mono(model=model, vad=NO_HANGOVER))
    for _ in range(600):
        subject.write(tone(0.9))
        subject.skip(1_600)
    assert subject._ring.capacity < 2 * RATE
    assert len(subject._gaps._gaps) < 5
    assert len(subject._profile._flags) < 100


def test_windows_come_in_order_of_their_end() -> None:
    cuts = windows_of(written(track(mono(vad=NO_HANGOVER)), tone(20.0)))
    assert all(isinstance(w, Window) for w in cuts)
    ends = [w.end_sample for w in cuts]
    assert ends == sorted(ends)


@pytest.mark.parametrize(
    ("options", "signal"),
    [
        (mono(), tone(7.0)),
        (mono(), np.concatenate([silence(3.0), tone(0.7), silence(1.2), tone(4.0)])),
        (mono(vad=NO_HANGOVER), np.concatenate([tone(0.3), silence(0.3)] * 10)),
        (mono(window_seconds=1.111, hop_seconds=0.5), tone(5.0)),
    ],
)
@pytest.mark.parametrize("step", [320, 777, 1_000_000])
def test_no_window_comes_out_of_quiet_audio(
    options: SessionOptions, signal: Samples, step: int
) -> None:
    """As much audio as possible is held back, and every window comes with its last frame."""
    subject, whole = track(options), track(options)
    got: list[FeedEvent] = []
    at = 0
    while at < len(signal):
        quiet = subject.quiet_samples
        assert quiet >= 1
        held = signal[at : at + min(quiet - 1, step)]
        assert windows_of(subject.write(held)) == []
        at += len(held)
        got += subject.write(signal[at : at + 1])
        at += 1
    assert spans(got) == spans(whole.write(signal))


def test_what_is_quiet_is_counted_to_the_end_of_the_window() -> None:
    subject = track()
    assert subject.quiet_samples == 4 * RATE
    subject.write(tone(1.5))
    assert subject.quiet_samples == round(2.5 * RATE)
    subject.write(tone(2.5))
    assert subject.quiet_samples == 2 * RATE
    early = track(mono(provisional_seconds=(1.0,)))
    early.write(silence(3.0))
    assert early.quiet_samples == RATE


def test_a_track_continues_half_a_second_before_its_next_window() -> None:
    subject = track()
    assert subject.mark().position == 0
    subject.write(tone(4.0))
    assert (subject.mark().position, subject.mark().next_start) == (round(1.5 * RATE), 2 * RATE)
