"""Named telephone conditions, applied to recordings before they are scored.

A condition takes samples (N,) at 16 kHz and a generator seeded by the recording's name, so that a
recording gets the same loss, noise and room each time, and returns samples (N,).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dfd.errors import UserError
from dfd.evaluation.audio import SAMPLE_RATE_HZ, FloatArray
from dfd.evaluation.telephone.codecs import TELEPHONY, WEB, Codec, through_codec
from dfd.evaluation.telephone.room import reverberate

Condition = Callable[[FloatArray, np.random.Generator], FloatArray]

CLEAN = "clean"
STANDARD = (
    *(codec.name for codec in TELEPHONY),
    "loss",
    "noise-20",
    "noise-15",
    "noise-10",
    "room",
)
_PACKET_SAMPLES = SAMPLE_RATE_HZ // 50


def condition_named(name: str) -> Condition:
    """Returns a condition: a codec by name, `noise-N` (white noise, N dB SNR), `loss` or `room`.

    Raises:
        UserError: for any other name.
    """
    codecs = {codec.name: codec for codec in (*TELEPHONY, *WEB)}
    if name in codecs:
        return _coded(codecs[name])
    if name == CLEAN:
        return lambda samples, _: samples
    if name == "loss":
        return packet_loss
    if name == "room":
        return reverberate
    kind, _, value = name.partition("-")
    if kind == "noise" and value.isdigit():
        return lambda samples, generator: white_noise(samples, generator, float(value))
    names = ", ".join([CLEAN, *codecs, "loss", "room", "noise-20"])
    raise UserError(f"no condition {name!r}; choose from: {names} (or another number of dB)")


def available(names: Sequence[str]) -> tuple[dict[str, Condition], dict[str, str]]:
    """Returns the conditions that work on this machine, and why the others do not.

    Each is tried on a tenth of a second.

    Raises:
        UserError: for a name that is not a condition.
    """
    working, missing = {}, {}
    probe = np.sin(np.arange(SAMPLE_RATE_HZ // 10, dtype=np.float32) / 5)
    for name in names:
        condition = condition_named(name)
        try:
            condition(probe, np.random.default_rng(0))
        except UserError as error:
            missing[name] = str(error)
        else:
            working[name] = condition
    return working, missing


def white_noise(samples: FloatArray, generator: np.random.Generator, snr_db: float) -> FloatArray:
    """Adds white noise to samples (N,), `snr_db` below their own power."""
    noise = generator.normal(size=samples.size)
    power = float(np.sqrt(np.mean(samples**2))) * 10 ** (-snr_db / 20)
    return np.asarray(samples + power * noise, dtype=np.float32)


def packet_loss(
    samples: FloatArray, generator: np.random.Generator, rate: float = 0.05
) -> FloatArray:
    """Replaces random 20 ms packets of samples (N,) by the previous packet at half amplitude."""
    made = samples.copy()
    lost = generator.random(samples.size // _PACKET_SAMPLES) < rate
    for index in np.flatnonzero(lost[1:]) + 1:
        at = index * _PACKET_SAMPLES
        made[at : at + _PACKET_SAMPLES] = made[at - _PACKET_SAMPLES : at] / 2
    return made


def _coded(codec: Codec) -> Condition:
    return lambda samples, _: through_codec(samples, codec)
