import numpy as np
import pytest

from dfd.streaming.judgement.judge import Judge
from dfd.streaming.options import AlertPolicy
from dfd.streaming.track import Track
from dfd.streaming.types import Alert, Reason, Trigger, Verdict, WindowResult, WindowStatus
from tests.streaming.helpers import LoudnessVad, mono, tone, window


def judge(policy: AlertPolicy | None = None) -> Judge:
    return Judge(0, mono(alert_policy=policy or AlertPolicy(consecutive_windows=2)))


def heard(seconds: float) -> Track:
    track = Track(0, mono(), LoudnessVad())
    track.write(tone(seconds))
    return track


def at(index: int) -> tuple[float, float]:
    return 2.0 * index, 2.0 * index + 4.0


def test_a_scored_window_carries_three_scores() -> None:
    (result,) = judge().resolve(window(), WindowStatus.SCORED, 1.5)
    assert isinstance(result, WindowResult)
    assert result.status is WindowStatus.SCORED
    assert result.window_score == result.rolling_score == result.cumulative_score
    assert result.window_score is not None
    assert result.window_score.spoof_llr == 1.5


@pytest.mark.parametrize(
    "status", [WindowStatus.SHED, WindowStatus.FAILED, WindowStatus.INSUFFICIENT_SPEECH]
)
def test_a_window_without_a_score_keeps_the_others(status: WindowStatus) -> None:
    subject = judge()
    (first,) = subject.resolve(window(), WindowStatus.SCORED, 1.5)
    (result,) = subject.resolve(window(*at(1)), status, None)
    assert isinstance(first, WindowResult)
    assert isinstance(result, WindowResult)
    assert (result.status, result.window_score) == (status, None)
    assert result.cumulative_score == first.cumulative_score


@pytest.mark.parametrize("llr", [None, float("nan"), float("inf")])
def test_a_score_that_is_not_a_number_is_a_failure(llr: float | None) -> None:
    (result,) = judge().resolve(window(), WindowStatus.SCORED, llr)
    assert isinstance(result, WindowResult)
    assert (result.status, result.cumulative_score) == (WindowStatus.FAILED, None)


def test_alerts_follow_the_result_that_raised_them() -> None:
    subject = judge(AlertPolicy(0.8, 0.9, consecutive_windows=2))
    assert len(subject.resolve(window(*at(0)), WindowStatus.SCORED, 3.0)) == 1
    result, rolling, cumulative = subject.resolve(window(*at(1)), WindowStatus.SCORED, 3.0)
    assert isinstance(result, WindowResult)
    assert isinstance(rolling, Alert)
    assert isinstance(cumulative, Alert)
    assert (rolling.trigger, rolling.threshold) == (Trigger.ROLLING, 0.8)
    assert (cumulative.trigger, cumulative.threshold) == (Trigger.CUMULATIVE, 0.9)
    assert rolling.offset_seconds == 6.0
    summary = subject.summary(heard(6.0))
    assert summary.verdict is Verdict.SPOOF
    assert summary.first_alert_seconds == 6.0


def test_counts_and_durations_are_summed_up() -> None:
    subject = judge()
    statuses = [
        WindowStatus.SCORED,
        WindowStatus.SCORED,
        WindowStatus.SCORED,
        WindowStatus.SHED,
        WindowStatus.SHED,
        WindowStatus.INSUFFICIENT_SPEECH,
        WindowStatus.FAILED,
    ]
    for index, status in enumerate(statuses):
        subject.resolve(window(*at(index)), status, -2.0)
    summary = subject.summary(heard(16.0))
    assert summary.windows_scored == 3
    assert summary.windows_shed == 2
    assert summary.windows_insufficient_speech == 1
    assert summary.windows_failed == 1
    assert summary.audio_seconds == 16.0
    assert summary.speech_seconds == pytest.approx(16.0)
    assert summary.gap_seconds == 0.0
    assert summary.first_alert_seconds is None
    assert summary.verdict is Verdict.BONAFIDE


def test_a_clipped_track_is_inconclusive() -> None:
    subject = judge()
    square = np.sign(tone(4.0)).astype(np.float32)
    subject.resolve(window(samples=square), WindowStatus.SCORED, -2.0)
    assert subject.summary(heard(4.0)).inconclusive_reasons == (Reason.CLIPPED,)


def test_a_track_without_audio() -> None:
    summary = judge().summary(heard(0.0))
    assert summary.verdict is Verdict.INCONCLUSIVE
    assert summary.inconclusive_reasons == (Reason.TOO_LITTLE_SPEECH,)
    assert summary.mean_spoof_probability is None


def test_quality_is_measured_on_each_sample_once() -> None:
    """The clipped half is in both windows, and each quiet end is in one."""
    clipped, clean = np.full(2 * 16_000, 1.0, np.float32), tone(2.0)
    subject = judge()
    subject.resolve(
        window(*at(0), samples=np.concatenate([clean, clipped])), WindowStatus.SCORED, 1.0
    )
    subject.resolve(
        window(*at(1), samples=np.concatenate([clipped, clean])), WindowStatus.SCORED, 1.0
    )
    assert subject._quality.clipped_fraction == pytest.approx(1 / 3)
