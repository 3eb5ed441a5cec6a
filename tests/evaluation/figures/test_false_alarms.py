import numpy as np
import pytest

from dfd.evaluation.figures.false_alarms import (
    alarm_level,
    choose_threshold,
    hours_without_alarms,
    share_interval,
)
from dfd.streaming.judgement.alerts import AlertState
from dfd.streaming.options import AlertPolicy
from dfd.streaming.types import Score, Trigger


@pytest.mark.parametrize("consecutive", [1, 2, 3])
def test_the_alarm_level_is_where_the_policy_starts_to_alert(consecutive: int) -> None:
    generator = np.random.default_rng(consecutive)
    for _ in range(20):
        llrs = generator.normal(0.0, 2.0, 12)
        scores = [Score(float(llr), 1.0) for llr in llrs]
        level = alarm_level([score.spoof_probability for score in scores], consecutive)
        for threshold, expected in ((level, True), (min(1.0, level + 1e-6), False)):
            policy = AlertPolicy(rolling_threshold=threshold, consecutive_windows=consecutive)
            state = AlertState(Trigger.ROLLING, 0, policy)
            alerts = [state.update(score, float(at)) for at, score in enumerate(scores)]
            assert any(alert is not None for alert in alerts) is expected


def test_a_call_shorter_than_the_run_cannot_alarm() -> None:
    assert alarm_level([0.9], 2) == 0.0


def test_no_more_calls_alarm_than_accepted() -> None:
    levels = np.linspace(0.01, 0.8, 80)
    found = choose_threshold(levels, hours=2.0, wanted_per_hour=2.0)
    assert found.alarms == 4
    assert found.value == pytest.approx(0.76, abs=1e-5)
    assert found.per_hour[0] < 2.0 < found.per_hour[1]
    strict = choose_threshold(levels, hours=2.0, wanted_per_hour=0.1)
    assert strict.alarms == 0
    assert strict.value == pytest.approx(0.800001)
    assert strict.share[0] < 0.001 < 0.03 < strict.share[1]


@pytest.mark.parametrize("wanted", [0.0, 1.0, 3.0])
def test_intervals_hold_for_new_calls(wanted: float) -> None:
    """Over many draws of skewed calls the intervals hold as often as stated."""
    generator = np.random.default_rng(7)
    draws, kept_share, kept_again = 1_000, 0, 0
    for _ in range(draws):
        levels = generator.beta(0.5, 3.0, 60)
        found = choose_threshold(levels, hours=2.0, wanted_per_hour=wanted)
        again = generator.beta(0.5, 3.0, 60)
        many = generator.beta(0.5, 3.0, 20_000)
        share = float((many >= found.value).mean())
        kept_share += found.share[0] - 0.002 <= share <= found.share[1] + 0.002
        kept_again += found.again[0] <= int((again >= found.value).sum()) <= found.again[1]
    assert kept_share / draws >= 0.93
    assert kept_again / draws >= 0.93


def test_so_many_hours_without_an_alarm_show_a_rate() -> None:
    hours = hours_without_alarms(0.5)
    assert hours == pytest.approx(7.4, abs=0.1)
    levels = np.full(100_000, 0.01)
    found = choose_threshold(levels, hours, wanted_per_hour=0.0)
    assert found.per_hour[1] == pytest.approx(0.5, rel=1e-3)


def test_the_interval_of_a_share() -> None:
    low, high = share_interval(0, 30)
    assert low == 0.0
    assert high == pytest.approx(0.1157, abs=1e-3)
    low, high = share_interval(30, 30)
    assert low == pytest.approx(0.8843, abs=1e-3)
    assert high == 1.0
