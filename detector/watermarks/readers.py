"""Reads the confidence of each scheme from samples, in one thread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dfd.detector.watermarks.perth import PerthReader, load_perth
from dfd.detector.watermarks.schemes import PERTH, Scheme
from dfd.streaming.judgement.watermarks import Reading

# scheme -> what loads its reader for a sample rate
_LOADERS = {PERTH: load_perth}


class Readers:
    """Reads windows for watermarks; a network is built for each scheme and rate at its first use.

    Args:
        schemes: result of `schemes.named`.
    """

    def __init__(self, schemes: Sequence[Scheme]) -> None:
        self._schemes = tuple(schemes)
        self._readers: dict[tuple[str, int], PerthReader] = {}

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
            reader = self._reader(scheme.name, sample_rate_hz)
            if batch.shape[1] >= reader.least_samples:
                readings.append(Reading(scheme.name, float(reader(batch)), scheme.threshold))
        return readings

    def _reader(self, scheme: str, rate: int) -> PerthReader:
        if (scheme, rate) not in self._readers:
            self._readers[scheme, rate] = _LOADERS[scheme](rate)
        return self._readers[scheme, rate]
