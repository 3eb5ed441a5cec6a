import itertools
import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.streaming.judgement.alerts import AlertState, near_alert
from dfd.streaming.options import AlertPolicy
from dfd.streaming.types import Alert, Score, Trigger, WindowResult, WindowStatus
from tests.streaming.helpers import window


def score(probability: float) -> Score:
    probability = min(max(probability, 1e-9), 1 - 1e-9)
    return Score(math.log(probability / (1 - probability)), 4.0)


def run(policy: AlertPolicy, probabilities: Iterable[float]) -> list[tuple[int, bool]]:
    """Returns the index of each alert and whether it was cleared; windows are 2 s apart."""
    state = AlertState(Trigger.ROLLING, 0, policy)
    changes = []
    for index, probability in enumerate(probabilities):
        change = state.update(score(probability), 2.0 * index)
        if change:
            assert change.cleared is not state.raised
            changes.append((index, change.cleared))
    return changes


def policy(**options: float) -> AlertPolicy:
    defaults = {"rolling_threshold": 0.8, "hysteresis": 0.2, "cooldown_seconds": 0.0}
    return AlertPolicy(**{"consecutive_windows": 1, **defaults, **options})  # type: ignore[arg-type]


def test_a_crossing_raises_once() -> None:
    assert run(policy(), [0.5, 0.81, 0.9, 0.99]) == [(1, False)]


def test_an_alert_is_cleared_below_the_hysteresis_only() -> None:
    assert run(policy(), [0.9, 0.7, 0.61, 0.59]) == [(0, False), (3, True)]


def test_an_alert_can_be_cleared_whatever_the_hysteresis() -> None:
    low = policy(rolling_threshold=0.2, hysteresis=0.2)
    assert run(low, [0.9, 0.1, 0.012, 0.008]) == [(0, False), (3, True)]


def test_it_takes_consecutive_windows_to_raise() -> None:
    probabilities = [0.9, 0.9, 0.5, 0.9, 0.9, 0.9]
    assert run(policy(consecutive_windows=3), probabilities) == [(5, False)]


def test_it_takes_consecutive_windows_to_clear() -> None:
    probabilities = [0.9, 0.9, 0.1, 0.9, 0.1, 0.1]
    assert run(policy(consecutive_windows=2), probabilities) == [(1, False), (5, True)]


def test_no_new_alert_during_the_cooldown() -> None:
    probabilities = [0.9, 0.1] + [0.9] * 6
    assert run(policy(cooldown_seconds=7.0), probabilities) == [
        (0, False),
        (1, True),
        (5, False),
    ]


def test_an_alert_has_its_trigger_and_score() -> None:
    state = AlertState(Trigger.CUMULATIVE, 3, AlertPolicy(0.5, 0.7, consecutive_windows=1))
    assert state.update(score(0.6), 4.0) is None
    high = score(0.9)
    assert state.update(high, 6.0) == Alert(Trigger.CUMULATIVE, 3, 6.0, high, 0.7, cleared=False)


def test_an_alert_at_a_low_threshold_can_be_cleared() -> None:
    low = policy(rolling_threshold=0.15, hysteresis=0.5)
    assert run(low, [0.5, 0.001]) == [(0, False), (1, True)]


@given(
    st.lists(st.floats(0, 1), max_size=40),
    st.integers(1, 4),
    st.floats(0.05, 1.0),
    st.floats(0.0, 0.9),
    st.floats(0, 20),
)
def test_raised_and_cleared_take_turns(
    probabilities: list[float], consecutive: int, threshold: float, hysteresis: float, cool: float
) -> None:
    rules = AlertPolicy(threshold, threshold, hysteresis, consecutive, cool)
    changes = run(rules, probabilities)
    assert [cleared for _, cleared in changes] == [bool(i % 2) for i in range(len(changes))]
    for (before, cleared), (after, _) in itertools.pairwise(changes):
        assert after - before >= consecutive
        if cleared:
            assert 2.0 * (after - before) >= cool


@pytest.mark.parametrize(("probability", "near"), [(0.39, False), (0.41, True)])
@pytest.mark.parametrize("trigger", ["rolling", "cumulative"])
def test_an_alert_is_near_from_half_of_its_threshold(
    trigger: str, probability: float, near: bool
) -> None:
    scores = [score(probability) if name == trigger else None for name in ("rolling", "cumulative")]
    result = WindowResult(window(), WindowStatus.SCORED, None, *scores)
    assert near_alert(result, policy(cumulative_threshold=0.8)) is near
