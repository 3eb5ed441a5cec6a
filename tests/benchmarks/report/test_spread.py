import itertools

import pytest

from dfd.benchmarks.report.spread import Spread, measure_in_turns


def test_a_spread_is_median_lowest_and_highest() -> None:
    spread = Spread.of([3.0, 1.0, 2.0])
    assert (spread.median, spread.low, spread.high) == (2.0, 1.0, 3.0)
    rate = spread.inverse(6.0)
    assert (rate.median, rate.low, rate.high) == (3.0, 2.0, 6.0)
    assert rate.report() == {"median": 3.0, "low": 2.0, "high": 6.0}


def test_calls_are_measured_in_turns() -> None:
    order: list[str] = []
    ticks = itertools.count()
    calls = {name: (lambda name=name: order.append(name)) for name in "ab"}
    found = measure_in_turns(calls, 3, 0.0, clock=lambda: float(next(ticks)))
    assert order == ["a", "a", "b", "b"] + ["a", "b"] * 3
    assert found == {"a": [1.0] * 3, "b": [1.0] * 3}


def test_short_calls_are_repeated_within_a_measurement() -> None:
    now = 0.0

    def call() -> None:
        nonlocal now
        now += 0.25

    found = measure_in_turns({"one": call}, 2, 1.0, clock=lambda: now)
    assert found["one"] == pytest.approx([0.25, 0.25])
    assert now == 0.25 * (2 + 2 * 4)


def test_results_are_reported_after_each_round_until_they_suffice() -> None:
    told: list[int] = []
    found = measure_in_turns(
        {"one": lambda: None},
        5,
        0.0,
        before={"one": 1.0},
        told=lambda so_far: told.append(len(so_far["one"])),
        enough=lambda: len(told) == 3,
    )
    assert told == [1, 2, 3]
    assert len(found["one"]) == 3


def test_a_call_without_a_further_measurement_keeps_its_first() -> None:
    found = measure_in_turns(
        {"one": lambda: None}, 5, 0.0, before={"one": 2.0}, enough=lambda: True
    )
    assert found == {"one": [2.0]}
