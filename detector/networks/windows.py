"""Classifiers of whole windows, which have no backbone and cannot mask the end of a window."""

from typing import Optional

import torch
from torch import Tensor, nn


class WindowNetwork(nn.Module):
    """Computes log-odds of a classifier's logits; is called like `ScoringNetwork`.

    Args:
        classifier: takes float32 (B, N) to logits (B, 2).
        spoof_column: the logit that means spoof, 0 or 1.
    """

    def __init__(self, classifier: nn.Module, spoof_column: int) -> None:
        super().__init__()
        self.classifier = classifier
        self.spoof_column = spoof_column
        self.requires_grad_(False)
        self.eval()

    # TorchScript reads this annotation and supports `Optional`, not `|`.
    def forward(self, windows: Tensor, lengths: Optional[Tensor]) -> Tensor:  # noqa: UP045
        """Returns log-odds (B,) of windows (B, N); samples beyond a length are not masked."""
        logits: Tensor = self.classifier(windows)
        return logits[:, self.spoof_column] - logits[:, 1 - self.spoof_column]


def put_channels_last(network: WindowNetwork) -> None:
    """Makes a network's maps have channels last in memory, by the layout of its weights.

    Scores stay the same, and on a CPU it is up to twice as fast: convolutions do not change the
    layout for themselves, and pools take the maximum of many channels at once.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            weight = part.weight.detach().contiguous(memory_format=torch.channels_last)
            part.weight = nn.Parameter(weight, requires_grad=False)
