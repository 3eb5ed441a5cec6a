"""From the backbone's frames to two logits."""

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
