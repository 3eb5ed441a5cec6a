"""Samples to the confidence of each scheme, in one thread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dfd.detector.watermarks.perth import PerthReader, load_perth
from dfd.detector.watermarks.schemes import Scheme
from dfd.streaming.judgement.marks import Reading


class Readers:
    """Reads windows for the schemes named; each rate's networks are built when it first comes.

    Args:
        schemes: as `schemes.named` gives them.

    Raises:
        UserError: if a scheme's weights cannot be read.
    """

    def __init__(self, schemes: Sequence[Scheme]) -> None:
        self._schemes = tuple(schemes)
        self._perth: dict[int, PerthReader] = {}

    @torch.inference_mode()
    def read(self, samples: NDArray[np.float32], sample_rate_hz: int) -> list[Reading]:
        """A reading a scheme; none where there is too little to read.

        Args:
            samples: float32 (n,), full scale 1.0.
            sample_rate_hz: theirs.

        Raises:
            UserError: if a scheme cannot be read at this rate.
        """
        batch = torch.tensor(samples).unsqueeze(0)  # a copy: what a stream gives is read-only
        readings = []
        for scheme in self._schemes:
            reader = self._perth_at(sample_rate_hz)
            if batch.shape[1] >= reader.least_samples:
                readings.append(Reading(scheme.name, float(reader(batch)), scheme.threshold))
        return readings

    def _perth_at(self, rate: int) -> PerthReader:
        if rate not in self._perth:
            self._perth[rate] = load_perth(rate)
        return self._perth[rate]
