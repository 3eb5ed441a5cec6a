"""The laid-out network with its matrix products in 8-bit integers, for CPUs that have them.

Weights are symmetric with a scale for each output; what goes into a product is 8 bits
without sign, with one scale and zero point that were seen when the network ran on sample
windows. Norms, attention, pooling and the head stay in float32. oneDNN's operators run the
products (four times float32's rate with AVX-512 VNNI) and apply bias and GELU in passing;
where the next step is a product again, its 8-bit input is written at once.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dfd.detector.frames import (
    Dense,
    FrameExtractor,
    FrameLayer,
    GroupedFirstStep,
    Position,
    patches,
)
from dfd.detector.network import ScoringNetwork

# Room above and below what the sample windows showed.
_HEADROOM = 1.1
# Frames of a first layer that are worked on at once: they stay in a core's cache.
_CHUNK = 400
_LEVELS = 255


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the 256 values lie: `value = scale * (code - zero)`."""

    scale: float
    zero: int

    @classmethod
    def over(cls, lowest: float, highest: float) -> "Grid":
        """The grid that holds a range, and zero exactly."""
        low, high = min(lowest, 0.0) * _HEADROOM, max(highest, 0.0) * _HEADROOM
        scale = max((high - low) / _LEVELS, 1e-12)
        return cls(scale, min(_LEVELS, max(0, round(-low / scale))))


def quantize_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """int8 weight of the same shape and float32 scales (outputs,)."""
    flat = weight.detach().float().flatten(1)
    scale = flat.abs().amax(dim=1).clamp(min=1e-12) / 127.0
    codes = torch.round(flat / scale.unsqueeze(1)).clamp(-127, 127).to(torch.int8)
    return codes.reshape(weight.shape), scale


class QuantizedDense(nn.Module):
    """Stands for `Dense`; takes float32 or, already on its grid, uint8.

    Args:
        dense: what it stands for.
        grid: of the input.
        output: of the output, which then is uint8; None gives float32.
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


class QuantizedFirstStep(nn.Module):
    """Stands for `GroupedFirstStep`, whose product stays in float32: samples need its range."""

    def __init__(self, step: GroupedFirstStep, output: Grid) -> None:
        super().__init__()
        self.step = step
        self.scale, self.zero = output.scale, output.zero
        self.chunk = _CHUNK

    def forward(self, x: Tensor, samples: Tensor) -> Tensor:
        """Takes samples (B, N, 1) to uint8 (B, N / stride, C)."""
        places = patches(x, self.step.kernel, self.step.stride)
        weight, shift = self.step.folded(places, samples)
        shape = [places.size(0), places.size(1), weight.size(2)]
        frames = torch.empty(shape, dtype=torch.uint8)
        for row in range(places.size(0)):
            for start in range(0, places.size(1), self.chunk):
                part = places[row, start : start + self.chunk]
                y = nn.functional.gelu(torch.addmm(shift[row], part, weight[row]))
                # half more, since the conversion cuts off
                y = y.mul_(1.0 / self.scale).add_(self.zero + 0.5).clamp_(0.0, 255.0)
                frames[row, start : start + self.chunk] = y
        return frames


class QuantizedPosition(nn.Module):
    """Stands for `Position`."""

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


def to_grid(x: Tensor, scale: float, zero: int) -> Tensor:
    """Float32 to uint8 codes."""
    return torch.quantize_per_tensor(x, scale, zero, torch.quint8).int_repr()


def quantize(
    network: ScoringNetwork, windows: NDArray[np.float32], *, extractor: bool = True
) -> ScoringNetwork:
    """Replaces the matrix products of a laid-out network by 8-bit ones.

    Args:
        network: on the CPU, in float32, as `frames.lay_out` makes it; its backbone is changed.
        windows: float32 (B, N), sample windows that show the ranges.
        extractor: the convolutions too, which bear it less well than the transformer.
    """
    with _watched(network) as ranges, torch.inference_mode():
        for window in windows:
            network(torch.from_numpy(window[None]), None)
    grids = {module: Grid.over(*seen) for module, seen in ranges.items()}
    if extractor:
        _quantize_extractor(network.feature_extractor, grids)
    transformer: Any = network.transformer
    transformer.pos_conv_embed = QuantizedPosition(
        transformer.pos_conv_embed, grids[transformer.pos_conv_embed]
    )
    for layer in transformer.layers:
        assert isinstance(layer, FrameLayer)
        layer.inputs = QuantizedDense(layer.inputs, grids[layer.inputs], None)
        layer.output = QuantizedDense(layer.output, grids[layer.output], None)
        narrow = grids[layer.narrow]
        layer.wide = QuantizedDense(layer.wide, grids[layer.wide], narrow)
        layer.narrow = QuantizedDense(layer.narrow, narrow, None)
    return network


def _quantize_extractor(extractor: FrameExtractor, grids: dict[nn.Module, Grid]) -> None:
    steps: list[Any] = list(extractor.steps)
    inputs = [grids[step.dense] for step in steps]
    for step, grid, following in zip(steps, inputs, [*inputs[1:], None], strict=True):
        step.dense = QuantizedDense(step.dense, grid, None if step.normed else following)
    if isinstance(extractor.first, GroupedFirstStep) and inputs:
        extractor.first = QuantizedFirstStep(extractor.first, inputs[0])


@contextmanager
def _watched(network: nn.Module) -> Iterator[dict[nn.Module, tuple[float, float]]]:
    """Lowest and highest input of every product while the context lasts."""
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
