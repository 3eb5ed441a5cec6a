"""Reads the confidence of each scheme from samples, in one thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dfd.detector.watermarks.audioseal import AudioSealReader, load_audioseal
from dfd.detector.watermarks.perth import PerthReader, load_perth
from dfd.detector.watermarks.schemes import AUDIOSEAL, PERTH, Scheme
from dfd.streaming.judgement.watermarks import Reading

_Reader = PerthReader | AudioSealReader
# scheme -> what loads its reader for a sample rate, from a file
_LOADERS: dict[str, Callable[[int, Path], _Reader]] = {
    PERTH: load_perth,
    AUDIOSEAL: load_audioseal,
}
_USUAL_RATE_HZ = 16_000


class Readers:
    """Reads windows for watermarks; a network is built for each scheme and rate at its first use.

    Args:
        schemes: result of `schemes.named`.
    """

    def __init__(self, schemes: Sequence[Scheme]) -> None:
        self._schemes = tuple(schemes)
        self._readers: dict[tuple[str, int], _Reader] = {}

    @torch.inference_mode()
    def read(self, samples: NDArray[np.float32], sample_rate_hz: int) -> list[Reading]:
        """Returns one reading for each scheme that has enough samples.

        Args:
            samples: float32 (n,), full scale 1.0.
            sample_rate_hz: rate of the samples.

        Raises:
            UserError: if a scheme cannot be read at this rate, or its weights cannot be read.
        """
        batch = torch.tensor(samples).unsqueeze(0)  # a copy, since a stream's samples are read-only
        readings = []
        for scheme in self._schemes:
            reader = self._reader(scheme, sample_rate_hz)
            if batch.shape[1] >= reader.least_samples:
                readings.append(Reading(scheme.name, float(reader(batch)), scheme.threshold))
        return readings

    def _reader(self, scheme: Scheme, rate: int) -> _Reader:
        key = scheme.name, rate
        if key not in self._readers:
            self._readers[key] = _LOADERS[scheme.name](rate, scheme.weights)
        return self._readers[key]


def check_weights(schemes: Sequence[Scheme]) -> None:
    """Checks weights that a user named, before a daemon relies on them.

    Raises:
        UserError: if they cannot be read, or belong to something else.
    """
    for scheme in schemes:
        if scheme.name == AUDIOSEAL:
            load_audioseal(_USUAL_RATE_HZ, scheme.weights)
