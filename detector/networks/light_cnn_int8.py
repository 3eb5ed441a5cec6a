"""A light CNN with its convolutions in 8-bit integers, for CPUs that support them.

Weights are quantised symmetrically, with one scale per output channel. The input of a convolution
is unsigned, with one scale and zero point for the range that was seen on sample windows. The first
convolution of each branch, which takes the spectrogram, stays in float32, as do pooling, the
statistics over frames and the layers after them. A pointwise convolution runs as a matrix product,
which also applies GELU and writes the 8-bit input of the next convolution.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dfd.detector.networks.int8_products import LEVELS, Grid, quantize_weight
from dfd.detector.networks.light_cnn import LightCnn, StageLayer, largest


class QuantizedStage(nn.Module):
    """Replaces a `StageLayer`; takes float32, or uint8 that is already quantised.

    Args:
        stage: the layer to replace.
        grid: scale and zero point of the input.
        output: those of the output, which then is uint8; None gives float32. Only for a matrix
            product: a pointwise convolution without pooling.
    """

    def __init__(self, stage: StageLayer, grid: Grid, output: Grid | None) -> None:
        super().__init__()
        conv = stage.conv
        assert conv.bias is not None
        codes, scale = quantize_weight(conv.weight)
        self.strides, self.padding = list(conv.stride), list(conv.padding)
        self.packed = torch.ops.onednn.qconv_prepack(
            codes, scale, grid.scale, grid.zero, self.strides, self.padding, [1, 1], 1, None
        )
        self.packed_product = torch.ops.onednn.qlinear_prepack(codes.flatten(1), None)
        self.register_buffer("weight_scale", scale)
        self.register_buffer("weight_zero", torch.zeros(len(scale), dtype=torch.int32))
        self.register_buffer("bias", conv.bias.detach().float())
        self.scale, self.zero = grid.scale, grid.zero
        # with half a step added, truncation rounds to the nearest
        self.register_buffer("shift", torch.tensor(grid.zero + 0.5))
        self.inverse, self.top = 1.0 / grid.scale, float(LEVELS)
        self.product = is_product(stage)
        self.out_scale = 1.0 if output is None else output.scale
        self.out_zero = 0 if output is None else output.zero
        self.out_dtype = torch.float32 if output is None else torch.uint8
        self.frame_pool = stage.frame_pool
        self.feature_pool = stage.feature_pool

    weight_scale: Tensor
    weight_zero: Tensor
    bias: Tensor
    shift: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, C, T, F) to (B, C', T', F'), both with channels last in memory."""
        # contiguous, since channels are last in memory
        x = x.permute(0, 2, 3, 1)
        if x.dtype != torch.uint8:
            x = torch.add(self.shift, x, alpha=self.inverse).clamp_(0.0, self.top)
            # twice as fast as converting to eight bits directly
            x = x.to(torch.int32).to(torch.uint8)
        if self.product:
            made: Tensor = torch.ops.onednn.qlinear_pointwise(
                x,
                self.scale,
                self.zero,
                self.packed_product,
                self.weight_scale,
                self.weight_zero,
                self.bias,
                self.out_scale,
                self.out_zero,
                self.out_dtype,
                "gelu",
                [],
                "none",
            )
            return made.permute(0, 3, 1, 2)
        y: Tensor = torch.ops.onednn.qconv2d_pointwise(
            x.permute(0, 3, 1, 2),
            self.scale,
            self.zero,
            self.packed,
            self.weight_scale,
            self.weight_zero,
            self.bias,
            self.strides,
            self.padding,
            [1, 1],
            1,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        y = largest(largest(y, self.frame_pool, 2), self.feature_pool, 3)
        return nn.functional.gelu(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def is_product(stage: StageLayer) -> bool:
    """Returns whether a stage is a matrix product and GELU at each position."""
    pointwise = stage.conv.kernel_size == (1, 1) and stage.conv.stride == (1, 1)
    return pointwise and stage.frame_pool == stage.feature_pool == 1


def quantize_light_cnn(head: LightCnn, grids: Mapping[nn.Module, Grid]) -> None:
    """Replaces all but the first convolution of each branch with 8-bit ones.

    Args:
        head: on the CPU, in float32; it is changed.
        grids: grids of the stages' inputs.
    """
    for branch in head.branches:
        stages = list(branch.stages)
        for index in range(1, len(stages)):
            last = index + 1 == len(stages)
            output = None if last or not is_product(stages[index]) else grids[stages[index + 1]]
            branch.stages[index] = QuantizedStage(stages[index], grids[stages[index]], output)
