"""Sensitive layer selection: every layer of a backbone gets a weight that depends on the window.

Zhang et al., "Audio deepfake detection with self-supervised XLS-R and SLS classifier", ACM
Multimedia 2024. Parameters have the published names.
"""

from typing import Optional

import torch
from torch import Tensor, nn


class LayerGate(nn.Module):
    """Computes the weight of a layer from its mean frame, with the same parameters for all."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.fc0 = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns a layer's states (B, T, hidden), weighted."""
        weight = torch.sigmoid(self.fc0(x.mean(dim=1)))
        return x * weight.unsqueeze(1)


class SlsHead(nn.Module):
    """A head: takes the weighted sum of all layers to logits.

    Args:
        inputs: features after the pooling, which determine how many frames it takes.
        inner: outputs of the layer after it.
    """

    def __init__(self, inputs: int, inner: int) -> None:
        super().__init__()
        self.first_bn = nn.BatchNorm2d(1)
        self.fc1 = nn.Linear(inputs, inner)
        self.fc3 = nn.Linear(inner, 2)

    def forward(self, x: Tensor, frames: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
        """Takes the sum (B, T, hidden), all of whose frames count, to logits (B, 2)."""
        x = nn.functional.selu(self.first_bn(x.unsqueeze(1)))
        x = torch.flatten(nn.functional.max_pool2d(x, [3, 3]), 1)
        x = nn.functional.selu(self.fc1(x))
        return nn.functional.selu(self.fc3(x))
