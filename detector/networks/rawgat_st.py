"""RawGAT-ST: two encoders for a graph of bands and one of frames, multiplied into a third.

Tak et al., "End-to-end spectro-temporal graph attention networks for speaker verification
anti-spoofing and speech deepfake detection", ASVspoof workshop 2021.
"""

import torch
from torch import Tensor, nn

from dfd.detector.networks.graphs import GraphAttention, GraphPool
from dfd.detector.networks.sinc import SincBands

WIDTHS = [(1, 32), (32, 32), (32, 64), (64, 64), (64, 64), (64, 64)]
_FILTERS, _TAPS, _NODES = 70, 129, 12


class _First(nn.Module):
    """The first residual block, which does not normalise its input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(inputs, outputs, (2, 3), padding=(1, 1))
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, (2, 3), padding=(0, 1))
        self.conv_downsample = nn.Conv2d(inputs, outputs, (1, 3), padding=(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, inputs, bands, frames) to (B, outputs, bands, frames / 3)."""
        y = nn.functional.selu(self.bn2(self.conv_1(x)))
        return nn.functional.max_pool2d(self.conv2(y) + self.conv_downsample(x), [1, 3])


class _Block(nn.Module):
    """A residual block that normalises its input first."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, (2, 3), padding=(1, 1))
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, (2, 3), padding=(0, 1))
        past = nn.Conv2d(inputs, outputs, (1, 3), padding=(0, 1))
        self.conv_downsample: nn.Module = nn.Identity() if inputs == outputs else past

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, inputs, bands, frames) to (B, outputs, bands, frames / 3)."""
        y = self.conv1(nn.functional.selu(self.bn1(x)))
        y = self.conv2(nn.functional.selu(self.bn2(y)))
        return nn.functional.max_pool2d(y + self.conv_downsample(x), [1, 3])


def _encoder() -> nn.Sequential:
    blocks = [_First(*WIDTHS[0]), *(_Block(*width) for width in WIDTHS[1:])]
    return nn.Sequential(*(nn.Sequential(block) for block in blocks))


class RawGatSt(nn.Module):
    """Classifies windows (B, 64600)."""

    def __init__(self) -> None:
        super().__init__()
        self.bands = SincBands(_FILTERS, _TAPS)
        self.first_bn = nn.BatchNorm2d(1)
        self.encoder1 = _encoder()
        self.encoder2 = _encoder()
        self.GAT_layer_spectral = GraphAttention(64, 32, 1.0)
        self.GAT_layer_temp = GraphAttention(64, 32, 1.0)
        self.GAT_layer_spectro_temp = GraphAttention(32, 16, 1.0)
        self.pool1 = GraphPool(32, 0.64, least=2)
        self.pool2 = GraphPool(32, 0.81, least=2)
        self.pool3 = GraphPool(16, 0.64, least=2)
        self.proj_spectral = nn.Linear(14, _NODES)
        self.proj_temp = nn.Linear(23, _NODES)
        self.proj_spectro_temp = nn.Linear(16, 1)
        self.output_layer = nn.Linear(7, 2)

    def forward(self, windows: Tensor) -> Tensor:
        """Returns logits (B, 2) of samples (B, N)."""
        x = self.bands(windows).abs().unsqueeze(1)
        x = nn.functional.selu(self.first_bn(nn.functional.max_pool2d(x, [3, 3])))
        bands = self.encoder1(x).abs().amax(dim=3).transpose(1, 2)
        frames = self.encoder2(x).abs().amax(dim=2).transpose(1, 2)
        spectral = self.pool1(self.GAT_layer_spectral(bands)).transpose(1, 2)
        temporal = self.pool2(self.GAT_layer_temp(frames)).transpose(1, 2)
        joint = self.proj_spectral(spectral) * self.proj_temp(temporal)
        kept = self.pool3(self.GAT_layer_spectro_temp(joint.transpose(1, 2)))
        logits: Tensor = self.output_layer(torch.flatten(self.proj_spectro_temp(kept), 1))
        return logits
