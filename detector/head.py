"""From the backbone's frames, averaged, to two logits."""

from torch import Tensor, nn


class ProjectedMeanHead(nn.Module):
    """Mean over the frames that hold audio, a projection, a linear classifier.

    transformers' `Wav2Vec2ForSequenceClassification` projects first and takes the mean
    after; the projection is affine, so the order does not matter, and this one is cheaper.
    """

    def __init__(self, hidden: int, projected: int, columns: int) -> None:
        super().__init__()
        self.projector = nn.Linear(hidden, projected)
        self.classifier = nn.Linear(projected, columns)

    def forward(self, mean: Tensor) -> Tensor:
        """Takes the mean frame (B, hidden) to logits (B, columns)."""
        logits: Tensor = self.classifier(self.projector(mean))
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
