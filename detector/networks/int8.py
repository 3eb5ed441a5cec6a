"""The laid-out network with its matrix products in 8-bit integers, for CPUs that support them.

Weights are quantised symmetrically, with a scale for each output; the inputs of a product are
unsigned 8-bit integers. In the transformer their scale and zero point are calibrated by running the
network on sample windows; in the convolutions each position has a scale of its own. The first
layer, norms, attention, pooling and the head stay in float32. oneDNN's operators compute the
products (four times as fast as float32 with AVX-512 VNNI), fused with bias and GELU where the scale
allows it; where another product follows, its 8-bit input is written directly.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
from dfd.detector.networks.light_cnn import LightCnn
from dfd.detector.networks.scoring import ScoringNetwork
from dfd.errors import UserError

# Margin above and below the range of the sample windows.
_HEADROOM = 1.1
# Positions of a convolution that are computed together: they fit in a core's cache.
_CHUNK = 200
LEVELS = 255
# Added to a float32, it leaves the rounded value in the lowest bits: 1.5 * 2**23.
_ROUNDING = 12_582_912.0
# The code of zero in the input of a convolution. The input comes from a GELU, which is never below
# -0.17, so most codes are used for values above zero.
_CONV_ZERO = 96


@dataclass(frozen=True, slots=True)
class Grid:
    """The values of the 256 codes: `value = scale * (code - zero)`."""

    scale: float
    zero: int

    @classmethod
    def over(cls, lowest: float, highest: float) -> "Grid":
        """Returns a grid that covers a range, and represents zero exactly."""
        low, high = min(lowest, 0.0) * _HEADROOM, max(highest, 0.0) * _HEADROOM
        scale = max((high - low) / LEVELS, 1e-12)
        return cls(scale, min(LEVELS, max(0, round(-low / scale))))


def quantize_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the int8 weight, of the same shape, and float32 scales (outputs,)."""
    flat = weight.detach().float().flatten(1)
    scale = flat.abs().amax(dim=1).clamp(min=1e-12) / 127.0
    codes = torch.round(flat / scale.unsqueeze(1)).clamp(-127, 127).to(torch.int8)
    return codes.reshape(weight.shape), scale


class QuantizedDense(nn.Module):
    """Replaces `Dense`; takes float32, or uint8 codes of its grid.

    Args:
        dense: the layer to replace.
        grid: grid of the input.
        output: grid of the output, which then is uint8; None gives float32.
    """

    def __init__(self, dense: Dense, grid: Grid, output: Grid | None) -> None:
        super().__init__()
        codes, scale = quantize_weight(dense.weight)
        self.packed = torch.ops.onednn.qlinear_prepack(codes, None)
        self.register_buffer("weight_scale", scale)
        self.register_buffer("weight_zero", torch.zeros(len(scale), dtype=torch.int32))
        self.bias = None if dense.bias is None else dense.bias.detach().float()
        self.scale, self.zero = grid.scale, grid.zero
        self.out_scale = 1.0 if output is None else output.scale
        self.out_zero = 0 if output is None else output.zero
        self.out_dtype = torch.float32 if output is None else torch.uint8
        self.post = "gelu" if dense.gelu else "none"
        self.post_kind = "none" if dense.gelu else ""

    weight_scale: Tensor
    weight_zero: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Takes (..., inputs) to (..., outputs)."""
        if x.dtype != torch.uint8:
            x = to_grid(x, self.scale, self.zero)
        y: Tensor = torch.ops.onednn.qlinear_pointwise(
            x.contiguous(),
            self.scale,
            self.zero,
            self.packed,
            self.weight_scale,
            self.weight_zero,
            self.bias,
            self.out_scale,
            self.out_zero,
            self.out_dtype,
            self.post,
            [],
            self.post_kind,
        )
        return y


class QuantizedConvStep(nn.Module):
    """Replaces `ConvStep`; takes and returns float32.

    Speech changes from loud to quiet within milliseconds, and the norm over channels after the last
    convolution brings quiet frames to the level of loud ones. Therefore each position of a
    convolution has a scale of its own, from the smallest and the largest value of its input.
    """

    def __init__(self, step: ConvStep) -> None:
        super().__init__()
        self.kernel, self.stride = step.kernel, step.stride
        bias = step.dense.bias
        # The scale of a position is applied after the product, and the bias after the scale.
        product = Dense(step.dense.weight, None)
        self.product = QuantizedDense(product, Grid(1.0, _CONV_ZERO), None)
        self.bias = None if bias is None else bias.detach().float()
        self.norm = step.norm
        self.normed = step.normed
        self.outputs = step.dense.weight.size(0)
        self.zero = _CONV_ZERO
        self.span = LEVELS - _CONV_ZERO
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
        low, high = seen.amin(dim=1, keepdim=True), seen.amax(dim=1, keepdim=True)
        scale = torch.maximum(high / self.span, low / -self.zero).clamp_(min=1e-12)
        codes = rounded(seen * scale.reciprocal(), self.zero)
        y: Tensor = self.product(codes)
        y = y.mul_(scale)
        if self.bias is not None:
            y = y.add_(self.bias)
        return nn.functional.gelu(self.norm(y) if self.normed else y)


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


def to_grid(x: Tensor, scale: float, zero: int, top: int = LEVELS) -> Tensor:
    """Converts float32 to uint8 codes from 0 to `top`."""
    return rounded((x * (1.0 / scale)).clamp_(float(-zero), float(top - zero)), zero)


def rounded(x: Tensor, zero: int, half: float = _ROUNDING) -> Tensor:
    """Rounds float32 from -`zero` to 255 - `zero`, and adds `zero`; changes `x` in place.

    With `half` added, a float32 has no bits left for fractions, and its lowest byte is the whole
    number. This takes half the time of `torch.quantize_per_tensor`, whose codes must be copied out.
    """
    return torch.view_copy(x.add_(half + zero), dtype=torch.int32).to(torch.uint8)


def quantize(
    network: ScoringNetwork, windows: NDArray[np.float32], *, extractor: bool = True
) -> ScoringNetwork:
    """Replaces the matrix products of a laid-out network by 8-bit ones.

    Args:
        network: a result of `frames.lay_out`, on the CPU and in float32; its backbone is changed.
        windows: float32 (B, N), sample windows from which the ranges are taken.
        extractor: whether the convolutions after the first are included.

    Raises:
        UserError: if there is nothing to replace, and no light CNN, which has convolutions of
            its own to replace (`light_cnn_int8`).
    """
    transformer: Any = network.transformer
    convolutions: Any = network.feature_extractor
    convolves = isinstance(convolutions, FrameExtractor)
    if not (convolves or transformer.adds_position or len(transformer.layers)):
        if isinstance(network.head, LightCnn):
            return network
        raise UserError("this model cannot run in int8: use --precision auto or fp32")
    with watched(network) as ranges, torch.inference_mode():
        for window in windows:
            network(torch.from_numpy(window[None]), None)
    grids = {module: Grid.over(*seen) for module, seen in ranges.items()}
    if extractor and convolves:
        steps: Any = convolutions.steps
        convolutions.steps = nn.ModuleList(QuantizedConvStep(step) for step in steps)
    if transformer.adds_position:
        transformer.pos_conv_embed = QuantizedPosition(
            transformer.pos_conv_embed, grids[transformer.pos_conv_embed]
        )
    for layer in transformer.layers:
        assert isinstance(layer, FrameLayer)
        quantize_layer(layer, grids)
    return network


def quantize_layer(layer: Any, grids: Mapping[nn.Module, Grid]) -> None:
    """Replaces the products of a transformer's layer, whose inputs have these grids."""
    layer.inputs = QuantizedDense(layer.inputs, grids[layer.inputs], None)
    layer.output = QuantizedDense(layer.output, grids[layer.output], None)
    narrow = grids[layer.narrow]
    layer.wide = QuantizedDense(layer.wide, grids[layer.wide], narrow)
    layer.narrow = QuantizedDense(layer.narrow, narrow, None)


@contextmanager
def watched(network: nn.Module) -> Iterator[dict[nn.Module, tuple[float, float]]]:
    """Records the lowest and highest input of every product during the context."""
    ranges: dict[nn.Module, tuple[float, float]] = {}

    def watch(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        low, high = (float(value) for value in torch.aminmax(inputs[0]))
        seen = ranges.get(module, (low, high))
        ranges[module] = (min(low, seen[0]), max(high, seen[1]))

    with ExitStack() as hooks:
        for module in network.modules():
            if isinstance(module, (Dense, Position)):
                hooks.callback(module.register_forward_pre_hook(watch).remove)
        yield ranges
