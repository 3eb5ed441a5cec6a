"""The products of a stem in 8-bit integers, for CPUs that support them.

Most products have a scale for each place, since places differ in loudness: with one scale for all
of them log-odds changed by 0.12 on average, now by 0.02. The two that GELU follows have one scale,
so that oneDNN applies GELU too: the frames of the log-mel spectrogram, whose range follows from
its scaling, and places behind a norm. The spectrogram, norms, attention, sums and the classifier
stay in float32.
"""

from collections.abc import Mapping

from torch import nn

from dfd.detector.networks.int8_products import Grid, QuantizedDense, RowDense
from dfd.detector.networks.whisper_stem import WhisperStem

# The lowest value is that of silence, the largest that of a hop whose power is all in one frame.
_LOG_MEL = Grid.over(-1.5, 2.1)
# The code of zero in an input that comes from a GELU, which is never below -0.17.
_BEHIND_GELU = 26
_BOTH_SIGNS = 128


def quantize_stem(stem: WhisperStem, grids: Mapping[nn.Module, Grid]) -> None:
    """Replaces the products of a stem.

    Args:
        stem: on the CPU, in float32; it is changed.
        grids: grids of the products' inputs; that of the first one behind the layer's last norm
            is used.
    """
    layer = stem.layer
    stem.conv1 = QuantizedDense(stem.conv1, _LOG_MEL, None)
    stem.conv2 = RowDense(stem.conv2, _BEHIND_GELU)
    layer.inputs = RowDense(layer.inputs, _BOTH_SIGNS)
    layer.output = RowDense(layer.output, _BOTH_SIGNS)
    layer.wide = QuantizedDense(layer.wide, grids[layer.wide], None)
    layer.narrow = RowDense(layer.narrow, _BEHIND_GELU)
