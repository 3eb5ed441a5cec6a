import dataclasses

import pytest

from dfd.training.finetune.recipe import Stage
from dfd.training.finetune.schedule import rate_factor, steps_per_epoch

LINEAR = Stage("top", epochs=1, batch=1, learning_rate=1.0, schedule="linear", warm_up=0.1)


def test_linear_warm_up_and_decay() -> None:
    factors = [rate_factor(LINEAR, step, 100) for step in range(100)]
    assert factors[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert factors[10] == 1.0
    assert factors[55] == pytest.approx(0.5)
    assert factors[99] == pytest.approx(1 / 90)


def test_cosine() -> None:
    stage = dataclasses.replace(LINEAR, schedule="cosine", warm_up=0.0)
    assert rate_factor(stage, 0, 100) == 1.0
    assert rate_factor(stage, 50, 100) == pytest.approx(0.5)
    assert rate_factor(stage, 99, 100) < 0.001


def test_constant() -> None:
    stage = dataclasses.replace(LINEAR, schedule="constant", warm_up=0.0)
    assert {rate_factor(stage, step, 7) for step in range(7)} == {1.0}


def test_steps_round_up() -> None:
    assert [steps_per_epoch(batches, 4) for batches in (1, 4, 5)] == [1, 1, 2]
