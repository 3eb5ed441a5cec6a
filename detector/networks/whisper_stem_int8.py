"""The products of a stem in 8-bit integers, for CPUs that support them.

The log-mel spectrogram, the first convolution, norms, attention, the sums and the classifier stay
in float32.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from dfd.detector.networks.int8 import Grid, QuantizedDense, quantize_layer, watched
from dfd.detector.networks.whisper_stem import StemScoringNetwork


def quantize_stem(network: StemScoringNetwork, windows: NDArray[np.float32]) -> None:
    """Replaces the products of a network's stem.

    Args:
        network: on the CPU, in float32; its stem is changed.
        windows: float32 (B, N), sample windows that show the ranges.
    """
    stem = network.stem
    with watched(stem) as ranges, torch.inference_mode():
        for window in windows:
            network(torch.from_numpy(window[None]), None)
    grids = {module: Grid.over(*seen) for module, seen in ranges.items()}
    stem.conv2 = QuantizedDense(stem.conv2, grids[stem.conv2], None)
    quantize_layer(stem.layer, grids)
