"""How many replicas a load wants."""

from types import SimpleNamespace
from typing import Any

import pytest

from dfd.daemon.cluster.ray_scaling import BATCHES, wanted


def context(**metrics: Any) -> SimpleNamespace:
    return SimpleNamespace(aggregated_metrics=metrics or None, target_num_replicas=3)


@pytest.mark.parametrize(
    ("waiting", "replicas"), [({"a": 0.0}, 0.0), ({"a": 0.8}, 1.0), ({"a": 1.2, "b": 1.2}, 3.0)]
)
def test_replicas_follow_the_batches(waiting: dict[str, float], replicas: float) -> None:
    found, state = wanted(context(**{BATCHES: waiting}))
    assert found == pytest.approx(replicas)
    assert state == {}


def test_without_figures_nothing_changes() -> None:
    assert wanted(context()) == (3, {})
    assert wanted(context(others={"a": 9.0})) == (3, {})
