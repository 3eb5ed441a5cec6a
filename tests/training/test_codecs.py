import numpy as np

from dfd.evaluation.codecs import CODECS
from dfd.training.codecs import pick_codec


def test_picks_all() -> None:
    generator = np.random.default_rng(0)
    assert {pick_codec(generator).name for _ in range(500)} == {codec.name for codec in CODECS}
