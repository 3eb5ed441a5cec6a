import numpy as np

from dfd.training.material.codecs import CODECS, WEIGHTS, pick_codec


def test_picks_all() -> None:
    generator = np.random.default_rng(0)
    assert {codec.name for codec in CODECS} == WEIGHTS.keys()
    assert {pick_codec(generator).name for _ in range(500)} == WEIGHTS.keys()
