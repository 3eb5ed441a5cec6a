"""RawNet2 for anti-spoofing: fixed filters, residual blocks with gates, a GRU.

Tak et al., "End-to-end anti-spoofing with RawNet2", ICASSP 2021.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dfd.detector.networks.sinc import SincBands


@dataclass(frozen=True, slots=True)
class RawNet2Sizes:
    """The sizes of a RawNet2.

    Attributes:
        filters, taps: number and length of the first layer's filters; the length is odd.
        widths: channels into and out of each residual block.
        hidden, layers: hidden size and number of layers of the GRU.
        inner: outputs of the first linear layer after it.
    """

    filters: int
    taps: int
    widths: list[tuple[int, int]]
    hidden: int
    layers: int
    inner: int


class _Block(nn.Module):
    """Two convolutions over time with a skip connection."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(inputs, outputs, 3, padding=1)
        self.bn2 = nn.BatchNorm1d(outputs)
        self.conv2 = nn.Conv1d(outputs, outputs, 3, padding=1)
        past = nn.Conv1d(inputs, outputs, 1)
        self.conv_downsample: nn.Module = nn.Identity() if inputs == outputs else past

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, inputs, T) to (B, outputs, T / 3)."""
        y = nn.functional.leaky_relu(self.bn2(self.conv1(x)), 0.3)
        return nn.functional.max_pool1d(self.conv2(y) + self.conv_downsample(x), 3)


class _Gated(nn.Module):
    """A block with a gate for each channel, from the channel's mean over the window."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.block = _Block(inputs, outputs)
        self.gate = nn.Linear(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, inputs, T) to (B, outputs, T / 3)."""
        x = self.block(x)
        gate = torch.sigmoid(self.gate(x.mean(dim=2))).unsqueeze(2)
        return x * gate + gate


class RawNet2(nn.Module):
    """Classifies windows (B, N)."""

    def __init__(self, sizes: RawNet2Sizes) -> None:
        super().__init__()
        self.bands = SincBands(sizes.filters, sizes.taps)
        self.first_bn = nn.BatchNorm1d(sizes.filters)
        self.stages = nn.Sequential(*(_Gated(*width) for width in sizes.widths))
        last = sizes.widths[-1][1]
        self.bn_before_gru = nn.BatchNorm1d(last)
        self.gru = nn.GRU(last, sizes.hidden, sizes.layers, batch_first=True)
        self.fc1_gru = nn.Linear(sizes.hidden, sizes.inner)
        self.fc2_gru = nn.Linear(sizes.inner, 2)

    def forward(self, windows: Tensor) -> Tensor:
        """Returns logits (B, 2) of samples (B, N)."""
        x = nn.functional.max_pool1d(self.bands(windows).abs(), 3)
        x = self.stages(nn.functional.selu(self.first_bn(x)))
        x = nn.functional.selu(self.bn_before_gru(x)).transpose(1, 2)
        last = self.gru(x)[0][:, -1]
        logits: Tensor = self.fc2_gru(self.fc1_gru(last))
        return logits


def published_name(name: str) -> str:
    """Returns a parameter's name in the published checkpoints."""
    parts = name.split(".")
    if parts[0] != "stages":
        return name
    index, kind, rest = parts[1], parts[2], ".".join(parts[3:])
    return f"block{index}.0.{rest}" if kind == "block" else f"fc_attention{index}.0.{rest}"
