"""A network that processes a window in parts of one hop each, and joins the results.

Overlapping windows have parts in common, which need to be computed only once
(`dfd.detector.networks.sharing`). Nothing in a part depends on the window around it: each part is
normalised separately, and convolutions do not reach beyond it.
"""

from typing import Any, Optional

import torch
from torch import Tensor

from dfd.detector.networks.scoring import ScoringNetwork


class HopScoringNetwork(ScoringNetwork):
    """Cuts windows into hops, measures each, and judges the sums.

    Args:
        parts: arguments of `ScoringNetwork`; the head has `measure` and `judge` (`LightCnn`).
        hop_samples: length of a part.
        options: keyword arguments of `ScoringNetwork`.
    """

    def __init__(self, *parts: Any, hop_samples: int, **options: Any) -> None:
        super().__init__(*parts, **options)
        self.hop_samples = hop_samples

    def forward(self, windows: Tensor, lengths: Optional[Tensor]) -> Tensor:  # noqa: UP045
        """Takes windows (B, N) to log-odds (B,).

        Only the first `lengths` (B,) samples of each count; None means all of them.
        """
        hops, counts = self.cut(windows, lengths)
        sums = self.measure(hops, counts)
        return self.join(sums.reshape(windows.size(0), -1, sums.size(1)))

    @torch.jit.export
    def cut(
        self,
        windows: Tensor,
        lengths: Optional[Tensor],  # noqa: UP045 - TorchScript
    ) -> tuple[Tensor, Optional[Tensor]]:  # noqa: UP045
        """Returns the parts (B * H, hop) of windows (B, N), and their valid lengths, or None."""
        samples = windows.size(1)
        parts = (samples + self.hop_samples - 1) // self.hop_samples
        missing = parts * self.hop_samples - samples
        hops = torch.nn.functional.pad(windows, [0, missing]).reshape(-1, self.hop_samples)
        starts = torch.arange(parts, device=windows.device) * self.hop_samples
        if lengths is not None:
            counts = lengths.unsqueeze(1) - starts.unsqueeze(0)
            return hops, counts.clamp(0, self.hop_samples).reshape(-1)
        if missing == 0:
            return hops, None
        counts = (samples - starts).clamp(0, self.hop_samples)
        return hops, counts.repeat(windows.size(0))

    @torch.jit.export
    def measure(self, hops: Tensor, counts: Optional[Tensor]) -> Tensor:  # noqa: UP045
        """Returns the head's sums (M, S) of parts (M, hop) with `counts` (M,) valid samples."""
        states, frames = self.states(self.features(hops, counts), counts)
        head: Any = self.head
        sums: Tensor = head.measure(states, frames)
        return sums

    @torch.jit.export
    def join(self, sums: Tensor) -> Tensor:
        """Returns log-odds (B,) of the sums (B, H, S) of each window's parts."""
        head: Any = self.head
        return self.odds(head.judge(sums))
