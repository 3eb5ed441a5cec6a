"""Sensitive layer selection: every layer of a backbone weighed by what it says of the window.

Zhang et al., "Audio deepfake detection with self-supervised XLS-R and SLS classifier", ACM
Multimedia 2024. Parameters carry the published names.
"""

from typing import Optional

import torch
from torch import Tensor, nn


class LayerGate(nn.Module):
    """The weight of one layer, from its mean frame; the same for all layers."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.fc0 = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Takes a layer's states (B, T, hidden) to themselves, weighed."""
        weight = torch.sigmoid(self.fc0(x.mean(dim=1)))
        return x * weight.unsqueeze(1)


class SlsHead(nn.Module):
    """A head: the weighed sum of all layers to logits.

    Args:
        inputs: features behind the pooling, which decide how many frames it takes.
        inner: of the layer behind them.
    """

    def __init__(self, inputs: int, inner: int) -> None:
        super().__init__()
        self.first_bn = nn.BatchNorm2d(1)
        self.fc1 = nn.Linear(inputs, inner)
        self.fc3 = nn.Linear(inner, 2)

    def forward(self, x: Tensor, frames: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
        """Takes the sum (B, T, hidden), of which all frames count, to logits (B, 2)."""
        x = nn.functional.selu(self.first_bn(x.unsqueeze(1)))
        x = torch.flatten(nn.functional.max_pool2d(x, [3, 3]), 1)
        x = nn.functional.selu(self.fc1(x))
        return nn.functional.selu(self.fc3(x))
