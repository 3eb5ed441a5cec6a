"""Matrix products of 8-bit integers, with one scale for all inputs or one for each row of them.

Weights are quantised symmetrically, with a scale for each output; inputs are unsigned 8-bit
integers. oneDNN's operators compute the products, four times as fast as float32 with AVX-512 VNNI.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dfd.detector.networks.frames import Dense

# Margin above and below the range of the sample windows.
_HEADROOM = 1.1
LEVELS = 255
# Added to a float32, it leaves the rounded value in the lowest bits: 1.5 * 2**23.
_ROUNDING = 12_582_912.0


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


class RowDense(nn.Module):
    """Replaces `Dense`, with a scale for each row of its input, from that row's extremes.

    Speech changes from loud to quiet within milliseconds: with one scale for all rows the quiet
    ones would be left with a few codes. The scales cannot be folded into oneDNN's product, so
    scaling, bias and GELU are passes of their own; a rounded row does not depend on the others.

    Args:
        dense: the layer to replace.
        zero: the code of zero in the input, which divides the codes between both signs.
    """

    def __init__(self, dense: Dense, zero: int) -> None:
        super().__init__()
        self.product = QuantizedDense(Dense(dense.weight, None), Grid(1.0, zero), None)
        self.bias = None if dense.bias is None else dense.bias.detach().float()
        self.gelu = dense.gelu
        self.zero, self.span = zero, LEVELS - zero

    def forward(self, x: Tensor) -> Tensor:
        """Takes (..., inputs) to (..., outputs)."""
        low, high = x.amin(dim=-1, keepdim=True), x.amax(dim=-1, keepdim=True)
        scale = torch.maximum(high / self.span, low / -self.zero).clamp_(min=1e-12)
        y: Tensor = self.product(rounded(x * scale.reciprocal(), self.zero))
        bias = self.bias
        y = y.mul_(scale) if bias is None else torch.addcmul(bias, y, scale)
        return nn.functional.gelu(y) if self.gelu else y


def to_grid(x: Tensor, scale: float, zero: int, top: int = LEVELS) -> Tensor:
    """Converts float32 to uint8 codes from 0 to `top`."""
    return rounded((x * (1.0 / scale)).clamp_(float(-zero), float(top - zero)), zero)


def rounded(x: Tensor, zero: int, half: float = _ROUNDING) -> Tensor:
    """Rounds float32 from -`zero` to 255 - `zero`, and adds `zero`; changes `x` in place.

    With `half` added, a float32 has no bits left for fractions, and its lowest byte is the whole
    number. This takes half the time of `torch.quantize_per_tensor`, whose codes must be copied out.
    """
    return torch.view_copy(x.add_(half + zero), dtype=torch.int32).to(torch.uint8)


def input_grids(
    network: nn.Module, windows: NDArray[np.float32], kinds: tuple[type[nn.Module], ...]
) -> Mapping[nn.Module, Grid]:
    """Runs a network, and returns the grid of the input of each module of some kinds.

    Args:
        network: takes windows and their lengths, or None.
        windows: float32 (B, N), sample windows that show the ranges.
        kinds: classes of the modules.
    """
    ranges: dict[nn.Module, tuple[float, float]] = {}

    def watch(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        low, high = (float(value) for value in torch.aminmax(inputs[0]))
        seen = ranges.get(module, (low, high))
        ranges[module] = (min(low, seen[0]), max(high, seen[1]))

    with ExitStack() as hooks, torch.inference_mode():
        for module in network.modules():
            if isinstance(module, kinds):
                hooks.callback(module.register_forward_pre_hook(watch).remove)
        for window in windows:
            network(torch.from_numpy(window[None]), None)
    return {module: Grid.over(*seen) for module, seen in ranges.items()}
