"""Named telephone conditions for evaluation: what happens to a recording before it is scored."""

from __future__ import annotations

import numpy as np

from dfd.evaluation.audio import SAMPLE_RATE_HZ, FloatArray
from dfd.evaluation.codecs import CODECS, Codec, through_codec
from dfd.evaluation.corpus import CorpusError
from dfd.evaluation.scoring import Condition

G711 = (
    Codec("ulaw", "pcm_mulaw", "mulaw", rate_hz=8000),
    Codec("alaw", "pcm_alaw", "alaw", rate_hz=8000),
)


def condition_named(name: str) -> Condition:
    """A codec by name, ``noise-N`` (white noise at N dB SNR) or ``loss`` (5 % of 20 ms packets).

    Raises ``CorpusError`` for a name that is none of them.
    """
    known = {codec.name: codec for codec in (*G711, *CODECS)}
    if name in known:
        codec = known[name]
        return lambda samples: through_codec(samples, codec)
    if name == "loss":
        return packet_loss
    kind, _, value = name.partition("-")
    if kind == "noise" and value.isdigit():
        return lambda samples: white_noise(samples, float(value))
    names = ", ".join([*known, "loss", "noise-20"])
    raise CorpusError(f"no condition {name!r}; there are: {names}")


def white_noise(samples: FloatArray, snr_db: float) -> FloatArray:
    """Samples (N,) in white noise; the same noise for the same length."""
    noise = np.random.default_rng(samples.size).normal(size=samples.size)
    power = float(np.sqrt(np.mean(samples**2))) * 10 ** (-snr_db / 20)
    return np.asarray(samples + power * noise, dtype=np.float32)


def packet_loss(samples: FloatArray, rate: float = 0.05) -> FloatArray:
    """Samples (N,) with 20 ms packets lost and replaced by the one before, halved."""
    packet = SAMPLE_RATE_HZ // 50
    made = samples.copy()
    lost = np.random.default_rng(samples.size).random(samples.size // packet) < rate
    for index in np.flatnonzero(lost[1:]) + 1:
        at = index * packet
        made[at : at + packet] = made[at - packet : at] / 2
    return made
