"""AASIST's graphs on the frames of a self-supervised backbone.

Tak et al., "Automatic speaker verification spoofing and deepfake detection using wav2vec 2.0
and data augmentation", Odyssey 2022. Parameters have the published names.
"""

from typing import Optional

import torch
from torch import Tensor, nn

from dfd.detector.networks.graphs import GraphSizes, GraphStack
from dfd.detector.networks.residual import encoder


class SslAasist(GraphStack):
    """A head: takes hidden states to logits.

    Args:
        hidden: size of the states.
        projected: outputs of the first layer; there are a third as many bands.
        widths: channels into and out of each residual block.
        sizes: sizes of the graphs.
    """

    def __init__(
        self, hidden: int, projected: int, widths: list[tuple[int, int]], sizes: GraphSizes
    ) -> None:
        super().__init__(sizes, bands=projected // 3)
        channels = widths[-1][1]
        self.LL = nn.Linear(hidden, projected)
        self.first_bn = nn.BatchNorm2d(1)
        self.first_bn1 = nn.BatchNorm2d(channels)
        self.encoder = encoder(widths, pool=1)
        self.attention = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1),
            nn.SELU(),
            nn.BatchNorm2d(2 * channels),
            nn.Conv2d(2 * channels, channels, 1),
        )

    def forward(self, x: Tensor, frames: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
        """Takes states (B, T, hidden), all of which count, to logits (B, 2)."""
        x = self.LL(x).transpose(1, 2).unsqueeze(1)
        x = nn.functional.selu(self.first_bn(nn.functional.max_pool2d(x, [3, 3])))
        x = nn.functional.selu(self.first_bn1(self.encoder(x)))
        weights = self.attention(x)
        bands = torch.sum(x * weights.softmax(dim=3), dim=3).transpose(1, 2)
        times = torch.sum(x * weights.softmax(dim=2), dim=2).transpose(1, 2)
        return self.classify(bands, times)
