import logging

import pytest

from dfd.bridges.limits import ByteBudget, RefusalLog
from tests.bridges.kit import logged


def test_a_budget_fills_up_again() -> None:
    now = [0.0]
    budget = ByteBudget(100, 2.0, lambda: now[0])
    assert budget.take(200)
    assert not budget.take(1)
    now[0] = 1.0
    assert budget.take(100)
    assert not budget.take(1)
    now[0] = 100.0
    assert not budget.take(201)
    assert budget.take(200)


def test_a_flood_makes_a_few_lines_per_second(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "dfd")
    now = [0.0]
    log = RefusalLog(3, lambda: now[0])
    for _ in range(50):
        log.write("1.2.3.4:5", "no")
    now[0] = 1.0
    log.write("1.2.3.4:5", "no")
    one = {"event": "turned away", "source": "1.2.3.4:5", "reason": "no"}
    assert logged(caplog) == [
        *[one] * 3,
        {"event": "more peers were rejected within a second", "count": 47},
        one,
    ]
