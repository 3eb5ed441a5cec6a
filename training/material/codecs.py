"""Which codecs the training speech goes through, rendered once.

Both classes go through the same codecs with the same chances, so that a codec tells nothing about
the label. G.711 and band limits are cheap enough to be applied on the fly: see `augment`.
"""

from __future__ import annotations

import numpy as np

from dfd.evaluation.telephone.codecs import TELEPHONY, WEB, Codec

# relative frequencies
WEIGHTS = {
    "opus-8k": 0.5,
    "opus-12k": 1.0,
    "opus-16k": 1.0,
    "opus-24k": 1.0,
    "gsm": 1.0,
    "amr-12.2k": 0.7,
    "amr-4.75k": 0.7,
    "g722": 1.0,
    "mp3-32k": 1.0,
    "mp3-64k": 1.0,
    "aac-32k": 1.0,
    "vorbis": 1.0,
    "speex": 0.5,
}
CODECS = tuple(codec for codec in (*TELEPHONY, *WEB) if codec.name in WEIGHTS)


def pick_codec(generator: np.random.Generator) -> Codec:
    """Draws one of `CODECS` by weight."""
    weights = np.array([WEIGHTS[codec.name] for codec in CODECS])
    return CODECS[int(generator.choice(len(CODECS), p=weights / weights.sum()))]
