from dataclasses import replace

import pytest

from dfd.streaming.judgement.judge import Judge
from dfd.streaming.judgement.watermarks import Reading, WatermarkReadings
from dfd.streaming.types import Alert, Score, Trigger, WindowStatus
from tests.streaming.helpers import RATE, mono, window
from tests.streaming.judgement.test_judge import heard

MARK = Reading("perth", 1.0, 0.9)
NONE = Reading("perth", 0.0, 0.9)


def test_the_first_windows_are_read_and_then_one_in_twenty_seconds() -> None:
    readings = WatermarkReadings(RATE)
    wanted = [
        start for start in range(0, 80, 2) if readings.wants(window(float(start), start + 4.0))
    ]
    assert wanted == [0, 4, 8, 12, 32, 52, 72]


def test_provisional_windows_and_windows_without_speech_are_not_read() -> None:
    readings = WatermarkReadings(RATE)
    assert not readings.wants(replace(window(0.0, 4.0), scoreable=False))
    assert not readings.wants(replace(window(0.0, 2.0), provisional=True))
    assert readings.wants(window(2.0, 6.0))


@pytest.mark.parametrize(("seconds", "wanted"), [(3.0, True), (1.05, True), (0.95, False)])
def test_a_short_recording_is_read_by_its_only_window(seconds: float, wanted: bool) -> None:
    assert WatermarkReadings(RATE).wants(replace(window(0.0, seconds), final=True)) is wanted


def test_the_rest_of_a_longer_recording_is_not_read() -> None:
    readings = WatermarkReadings(RATE)
    assert readings.wants(window(0.0, 4.0))
    assert not readings.wants(replace(window(4.0, 6.0), final=True))


def test_a_mark_is_found_once() -> None:
    readings = WatermarkReadings(RATE)
    found = readings.add(window(0.0, 4.0), MARK)
    assert found is not None
    assert (found.scheme, found.offset_seconds, found.confidence) == ("perth", 4.0, 1.0)
    assert readings.add(window(4.0, 8.0), MARK) is None
    assert readings.found == (found,)


def test_one_confident_reading_among_others_is_not_a_detection() -> None:
    readings = WatermarkReadings(RATE)
    said = [NONE, MARK, MARK, MARK, MARK]
    found = [readings.add(window(4.0 * at, 4.0 * at + 4.0), one) for at, one in enumerate(said)]
    assert [one is not None for one in found] == [False, False, False, False, True]


def test_readings_beyond_the_scale_are_limited() -> None:
    readings = WatermarkReadings(RATE)
    readings.add(window(0.0, 4.0), NONE)
    assert readings.add(window(4.0, 8.0), replace(MARK, confidence=5.0)) is None


def test_a_detection_is_a_separate_alert_without_effect_on_scores() -> None:
    with_mark, without = Judge(0, mono()), Judge(0, mono())
    for judge in (with_mark, without):
        judge.resolve(window(), WindowStatus.SCORED, -3.0)
    (alert,) = with_mark.add_reading(window(), MARK)
    assert isinstance(alert, Alert)
    assert alert.trigger is Trigger.WATERMARK
    assert alert.watermark is not None
    assert alert.watermark.scheme == "perth"
    assert (alert.threshold, alert.cleared) == (0.9, False)
    assert alert.score.spoof_llr < 0.0
    summary = with_mark.summary(heard(4.0))
    assert summary.watermarks == (alert.watermark,)
    assert replace(summary, watermarks=()) == without.summary(heard(4.0))


def test_a_detection_before_any_score_has_no_evidence() -> None:
    (alert,) = Judge(0, mono()).add_reading(window(), MARK)
    assert isinstance(alert, Alert)
    assert alert.score == Score(0.0, 0.0)
