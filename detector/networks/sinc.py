"""Fixed band-pass filters, evenly spaced in mel: the first layer of RawNet2 and similar networks.

A checkpoint does not contain the filters; they follow from their number and width.
"""

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_MEL_FACTOR, _MEL_CORNER_HZ = 2595.0, 700.0
_RATE_HZ = 16_000


def sinc_filters(count: int, width: int) -> Tensor:
    """Returns band-pass filters float32 (count, 1, width).

    Args:
        count: number of bands between 0 Hz and half of 16 kHz.
        width: number of taps, odd.
    """
    top = _MEL_FACTOR * np.log10(1.0 + _RATE_HZ / 2.0 / _MEL_CORNER_HZ)
    edges = _MEL_CORNER_HZ * (10.0 ** (np.linspace(0.0, top, count + 1) / _MEL_FACTOR) - 1.0)
    # taps and responses in float32, as they were in training
    taps = np.arange(-(width - 1) / 2, (width - 1) / 2 + 1).astype(np.float32)
    window = np.hamming(width).astype(np.float32)
    rows = []
    for low, high in itertools.pairwise(edges):
        band = _low_pass(high, taps) - _low_pass(low, taps)
        rows.append(window * band.astype(np.float32))
    return torch.from_numpy(np.stack(rows)).unsqueeze(1)


def _low_pass(edge: float, taps: NDArray[np.float32]) -> NDArray[np.float64]:
    cut = 2.0 * edge / _RATE_HZ
    return np.asarray(cut * np.sinc(cut * taps))


class SincBands(nn.Module):
    """Filters samples, without padding."""

    filters: Tensor

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.register_buffer("filters", sinc_filters(count, width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Takes samples (B, N) to bands (B, count, N - width + 1)."""
        return nn.functional.conv1d(x.unsqueeze(1), self.filters)
