import dataclasses
import itertools

import numpy as np
import pytest

from dfd.training.bundled.loop import batch_shape, learning_rate_factor
from dfd.training.bundled.recipe import RECIPES, TAUGHT, FitOptions, Phase


def test_phases_are_consecutive() -> None:
    recipe = dataclasses.replace(
        TAUGHT, phases=(Phase(10, copy_share=0.0), Phase(20, copy_share=0.5))
    )
    shares = [recipe.phase(step).copy_share for step in (0, 9, 10, 19, 20, 1000)]
    assert shares == [0.0, 0.0, 0.5, 0.5, 0.5, 0.5]
    assert recipe.phase(10).shares["copy"] == (0.0, 0.5)


def test_shortens_every_network() -> None:
    short = RECIPES["bundled"].shortened(5)
    assert [part.fit.steps for part in short.parts] == [5] * 5
    assert len({part.name for part in short.parts}) == 5
    assert RECIPES["bundled"].shortened(10**9) == RECIPES["bundled"]


def test_learning_rate() -> None:
    options = FitOptions(steps=100, warm_up_steps=20)
    factors = [learning_rate_factor(step, options) for step in range(100)]
    assert factors[0] == pytest.approx(1 / 20)
    assert max(factors) == pytest.approx(1.0)
    assert np.argmax(factors) in (19, 20)
    assert all(later <= earlier for earlier, later in itertools.pairwise(factors[20:]))
    assert factors[-1] == pytest.approx(0.02, abs=0.01)


def test_batches_have_the_same_amount_of_audio() -> None:
    options = FitOptions(batch_seconds=36.0)
    generator = np.random.default_rng(0)
    for _ in range(50):
        clips, samples = batch_shape(options, generator)
        assert clips % 2 == 0
        assert 28 * 16_000 <= clips * samples <= 36 * 16_000
