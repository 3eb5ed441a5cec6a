"""The laid-out network with its matrix products in 8-bit integers, for CPUs that support them.

Weights are quantised symmetrically, with a scale for each output; the inputs of a product are
unsigned 8-bit integers. In the transformer their scale and zero point are calibrated by running the
network on sample windows; in the convolutions each position has a scale of its own. The first
layer, norms, attention, pooling and the head stay in float32. oneDNN's operators compute the
products (four times as fast as float32 with AVX-512 VNNI), fused with bias and GELU where the scale
allows it; where another product follows, its 8-bit input is written directly.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dfd.detector.networks.frames import (
    ConvStep,
    Dense,
    FrameExtractor,
    FrameLayer,
    Position,
)
from dfd.detector.networks.int8_products import (
    Grid,
    QuantizedDense,
    RowDense,
    input_grids,
    quantize_weight,
    to_grid,
)
from dfd.detector.networks.light_cnn import LightCnn, StageLayer
from dfd.detector.networks.light_cnn_int8 import quantize_light_cnn
from dfd.detector.networks.scoring import ScoringNetwork
from dfd.detector.networks.whisper_stem import StemScoringNetwork
from dfd.detector.networks.whisper_stem_int8 import quantize_stem
from dfd.errors import UserError

# Positions of a convolution that are computed together: they fit in a core's cache.
_CHUNK = 200
# The code of zero in the input of a convolution. The input comes from a GELU, which is never below
# -0.17, so most codes are used for values above zero.
_CONV_ZERO = 96


class QuantizedConvStep(nn.Module):
    """Replaces `ConvStep`; takes and returns float32.

    Speech changes from loud to quiet within milliseconds, and the norm over channels after the last
    convolution brings quiet frames to the level of loud ones. Therefore each position of a
    convolution has a scale of its own, from the smallest and the largest value of its input.
    """

    def __init__(self, step: ConvStep) -> None:
        super().__init__()
        self.kernel, self.stride = step.kernel, step.stride
        self.product = RowDense(Dense(step.dense.weight, step.dense.bias), _CONV_ZERO)
        self.norm = step.norm
        self.outputs = step.dense.weight.size(0)
        self.chunk = _CHUNK

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, T, C) to (B, T / stride, C')."""
        batch, places, channels = x.size(0), x.size(1) // self.stride, x.size(2)
        made = torch.empty([batch, places, self.outputs], dtype=x.dtype, device=x.device)
        ahead = max(0, self.kernel - self.stride)
        for row in range(batch):
            for start in range(0, places, self.chunk):
                stop = min(start + self.chunk, places)
                first, last = start * self.stride, stop * self.stride
                part = x[row, first : last + ahead]
                missing = last + ahead - first - part.size(0)
                if missing > 0:
                    part = nn.functional.pad(part, [0, 0, 0, missing])
                seen = part.as_strided(
                    [stop - start, self.kernel * channels], [self.stride * channels, 1]
                )
                made[row, start:stop] = self.places(seen)
        return made

    def places(self, seen: Tensor) -> Tensor:
        """Takes the inputs of positions (M, kernel C) to their outputs (M, C')."""
        y: Tensor = self.product(seen)
        return nn.functional.gelu(self.norm(y))


class QuantizedPosition(nn.Module):
    """Replaces `Position`."""

    def __init__(self, position: Position, grid: Grid) -> None:
        super().__init__()
        conv = position.conv
        assert isinstance(conv, nn.Conv1d)
        assert conv.bias is not None
        codes, scale = quantize_weight(conv.weight)
        self.groups, self.padding = int(conv.groups), int(conv.padding[0])
        self.packed = torch.ops.onednn.qconv_prepack(
            codes, scale, grid.scale, grid.zero, [1], [self.padding], [1], self.groups, None
        )
        self.register_buffer("weight_scale", scale)
        self.register_buffer("weight_zero", torch.zeros(len(scale), dtype=torch.int32))
        self.register_buffer("bias", conv.bias.detach().float())
        self.scale, self.zero = grid.scale, grid.zero
        self.surplus = position.surplus

    weight_scale: Tensor
    weight_zero: Tensor
    bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, T, H) to (B, T, H)."""
        y: Tensor = torch.ops.onednn.qconv1d_pointwise(
            to_grid(x, self.scale, self.zero).transpose(1, 2),
            self.scale,
            self.zero,
            self.packed,
            self.weight_scale,
            self.weight_zero,
            self.bias,
            [1],
            [self.padding],
            [1],
            self.groups,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        if self.surplus > 0:
            y = y[:, :, : -self.surplus]
        return nn.functional.gelu(y.transpose(1, 2))


def quantize(
    network: ScoringNetwork, windows: NDArray[np.float32], *, extractor: bool = True
) -> ScoringNetwork:
    """Replaces the matrix products and convolutions of a laid-out network by 8-bit ones.

    Args:
        network: a result of `frames.lay_out`, on the CPU and in float32; it is changed.
        windows: float32 (B, N), sample windows from which the ranges are taken.
        extractor: whether the convolutions after the first are included.

    Raises:
        UserError: if there is nothing to replace.
    """
    transformer: Any = network.transformer
    convolutions: Any = network.feature_extractor
    convolves = isinstance(convolutions, FrameExtractor)
    head, stem = isinstance(network.head, LightCnn), isinstance(network, StemScoringNetwork)
    if not (convolves or transformer.adds_position or len(transformer.layers) or head or stem):
        raise UserError("this model cannot run in int8: use --precision auto or fp32")
    grids = input_grids(network, windows, (Dense, Position, StageLayer))
    if extractor and convolves:
        steps: Any = convolutions.steps
        convolutions.steps = nn.ModuleList(QuantizedConvStep(step) for step in steps)
    if transformer.adds_position:
        transformer.pos_conv_embed = QuantizedPosition(
            transformer.pos_conv_embed, grids[transformer.pos_conv_embed]
        )
    for layer in transformer.layers:
        assert isinstance(layer, FrameLayer)
        _quantize_layer(layer, grids)
    if isinstance(network.head, LightCnn):
        quantize_light_cnn(network.head, grids)
    if isinstance(network, StemScoringNetwork):
        quantize_stem(network.stem, grids)
    return network


def _quantize_layer(layer: Any, grids: Mapping[nn.Module, Grid]) -> None:
    """Replaces the products of a transformer's layer, whose inputs have these grids."""
    layer.inputs = QuantizedDense(layer.inputs, grids[layer.inputs], None)
    layer.output = QuantizedDense(layer.output, grids[layer.output], None)
    narrow = grids[layer.narrow]
    layer.wide = QuantizedDense(layer.wide, grids[layer.wide], narrow)
    layer.narrow = QuantizedDense(layer.narrow, narrow, None)
