"""Heads that pool the backbone's frames and classify the result."""

from typing import Optional

import torch
from torch import Tensor, nn


def mean_frame(x: Tensor, frames: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
    """Returns the mean (B, C) of the first `frames` (B,) of (B, T, C); None means all of them."""
    if frames is None:
        return x.mean(dim=1)
    valid = torch.arange(x.size(1), device=x.device).unsqueeze(0) < frames.unsqueeze(1)
    return (x * valid.unsqueeze(2)).sum(dim=1) / frames.clamp(min=1).unsqueeze(1)


class OnMean(nn.Module):
    """A head for hidden states that applies another head to their mean.

    Args:
        head: takes the mean frame (B, hidden) to logits (B, columns).
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, x: Tensor, frames: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
        """Takes states (B, T, hidden) to logits (B, columns).

        Only the first `frames` (B,) of each window count; None means all of them.
        """
        logits: Tensor = self.head(mean_frame(x, frames))
        return logits


class ProjectedMeanHead(nn.Module):
    """Mean over the frames that contain audio, a projection, a linear classifier.

    transformers' `Wav2Vec2ForSequenceClassification` projects first and then takes the mean; since
    the projection is affine, the order does not matter, and this one is cheaper.
    """

    def __init__(self, hidden: int, projected: int, columns: int) -> None:
        super().__init__()
        self.projector = nn.Linear(hidden, projected)
        self.classifier = nn.Linear(projected, columns)

    def forward(self, mean: Tensor) -> Tensor:
        """Takes the mean frame (B, hidden) to logits (B, columns)."""
        logits: Tensor = self.classifier(self.projector(mean))
        return logits


class ProjectedMaxHead(nn.Module):
    """A projection, the maximum over the frames that contain audio, a linear classifier.

    Args:
        head: the head whose projection and classifier are used.
    """

    def __init__(self, head: ProjectedMeanHead) -> None:
        super().__init__()
        self.projector = head.projector
        self.classifier = head.classifier

    def forward(self, x: Tensor, frames: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
        """Takes states (B, T, hidden) to logits (B, columns).

        Only the first `frames` (B,) of each window count; None means all of them.
        """
        x = self.projector(x)
        if frames is not None:
            past = torch.arange(x.size(1), device=x.device).unsqueeze(0) >= frames.unsqueeze(1)
            x = x.masked_fill(past.unsqueeze(2), float("-inf"))
        logits: Tensor = self.classifier(x.amax(dim=1))
        return logits


class LinearHead(nn.Module):
    """Mean over the frames, a linear classifier."""

    def __init__(self, hidden: int, columns: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(hidden, columns)

    def forward(self, mean: Tensor) -> Tensor:
        """Takes the mean frame (B, hidden) to logits (B, columns)."""
        logits: Tensor = self.classifier(mean)
        return logits


class MlpHead(nn.Module):
    """Mean over the frames, a hidden layer with GELU, a linear classifier."""

    def __init__(self, hidden: int, inner: int, columns: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(hidden, inner)
        self.classifier = nn.Linear(inner, columns)

    def forward(self, mean: Tensor) -> Tensor:
        """Takes the mean frame (B, hidden) to logits (B, columns)."""
        logits: Tensor = self.classifier(nn.functional.gelu(self.hidden(mean)))
        return logits
