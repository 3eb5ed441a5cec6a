"""A classifier of whole windows as a network: no backbone, no frames that may be hidden."""

from typing import Optional

from torch import Tensor, nn


class WindowNetwork(nn.Module):
    """Takes log-odds of what a classifier gives; has `ScoringNetwork`'s way of being called.

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

    # TorchScript reads this annotation and knows `Optional`, not `|`.
    def forward(self, windows: Tensor, lengths: Optional[Tensor]) -> Tensor:  # noqa: UP045
        """Log-odds (B,) of windows (B, N); what lies past a length is seen as it is."""
        logits: Tensor = self.classifier(windows)
        return logits[:, self.spoof_column] - logits[:, 1 - self.spoof_column]
