"""Classifiers of whole windows, which have no backbone and cannot mask the end of a window."""

from typing import Optional

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
