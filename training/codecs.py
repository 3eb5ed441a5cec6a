"""Which codecs the training speech goes through, rendered once by ffmpeg.

Both classes go through the same codecs with the same chances, so that a codec says nothing of
the label. G.711 and band limits are cheap enough to be applied on the fly: see ``augment``.
"""

from __future__ import annotations

import numpy as np

from dfd.evaluation.codecs import CODECS, Codec

# how often, against the others; 1 where it is not named
WEIGHTS = {"opus-8k": 0.5, "speex": 0.5}


def pick_codec(generator: np.random.Generator) -> Codec:
    """One of ``CODECS`` by weight."""
    weights = np.array([WEIGHTS.get(codec.name, 1.0) for codec in CODECS])
    return CODECS[int(generator.choice(len(CODECS), p=weights / weights.sum()))]
