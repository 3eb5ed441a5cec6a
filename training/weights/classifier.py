"""A Wav2Vec2 backbone, the mean of its frames, and a head with two outputs: bona fide, spoof."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from dfd.training.material.augment import normalise

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model


class Classifier(nn.Module):
    """Takes waveforms to logits; its parameters are named `backbone.*` and `classifier.*`.

    `masked` hides padding from the network; otherwise it sees zeros, which count in the mean too.
    """

    def __init__(
        self, backbone: Wav2Vec2Model, classifier: nn.Module, *, normalised: bool, masked: bool
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.normalised = normalised
        self.masked = masked

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Takes float32 (B, N), valid up to `lengths` int64 (B,), to logits float32 (B, 2)."""
        if self.normalised:
            waves = normalise(waves, lengths)
        mean = mean_frame(self.backbone, waves, lengths if self.masked else None)
        with torch.autocast(waves.device.type, enabled=False):
            logits: Tensor = self.classifier(mean)
        return logits


def mean_frame(backbone: nn.Module, waves: Tensor, lengths: Tensor | None) -> Tensor:
    """Returns the time-mean of the last hidden state, float32 (B, hidden).

    Frames past `lengths` are hidden from the network and left out of the mean; None means that all
    frames count.
    """
    model: Any = backbone
    mask = None
    if lengths is not None and bool((lengths < waves.shape[1]).any()):
        positions = torch.arange(waves.shape[1], device=waves.device)
        mask = (positions < lengths.unsqueeze(1)).long()
    hidden: Tensor = model(waves, attention_mask=mask).last_hidden_state.float()
    if mask is None:
        return hidden.mean(1)
    frames = model._get_feature_vector_attention_mask(hidden.shape[1], mask)
    valid = frames.to(hidden.dtype).unsqueeze(-1)
    mean: Tensor = (hidden * valid).sum(1) / valid.sum(1)
    return mean


def scorer(
    model: nn.Module, device: torch.device, dtype: torch.dtype = torch.float32
) -> Callable[[Tensor, Tensor], Tensor]:
    """Returns a function from windows (B, N) and lengths (B,) to spoof log-odds (B,) on the CPU."""

    def score(waves: Tensor, lengths: Tensor) -> Tensor:
        with torch.inference_mode(), autocast(device, dtype):
            logits: Tensor = model(waves.to(device), lengths.to(device))
        return (logits[:, 1] - logits[:, 0]).cpu()

    return score


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Turns on mixed precision, except for float32."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
