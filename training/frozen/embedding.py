"""The time-mean of a frozen backbone's last hidden state, for recordings of any lengths at once.

Base models normalise their first convolution over time (`group` norm) and are not made for padding:
zeros after a recording would change all of its frames. Here that norm takes its statistics over
each recording's own frames, so that a recording gives the same in a batch as alone.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from dfd.training.material.augment import normalise
from dfd.training.weights.classifier import mean_frame

if TYPE_CHECKING:
    from dfd.training.weights.pretrained import Backbone


class Embedder(nn.Module):
    """A frozen backbone; several threads may call it at once.

    It replaces the backbone's first norm until `release`.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        model: Any = backbone.model
        self.model: nn.Module = model.eval().requires_grad_(False)
        self.normalises = backbone.normalises
        self.size = int(model.config.hidden_size)
        kernels, strides = model.config.conv_kernel, model.config.conv_stride
        self._kernel, self._stride = int(kernels[0]), int(strides[0])
        self.least_samples = receptive_field(kernels, strides)
        self._first = model.feature_extractor.conv_layers[0]
        self._given = self._first.layer_norm
        self._norm: _OwnFramesNorm | None = None
        if not backbone.masks:
            self._norm = self._first.layer_norm = _OwnFramesNorm(self._given)

    def release(self) -> None:
        """Restores the backbone."""
        self._first.layer_norm = self._given

    @torch.inference_mode()
    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Takes float32 (B, N), zero past `lengths` int64 (B,), to float32 (B, hidden)."""
        if self.normalises:
            waves = normalise(waves, lengths)
        # less than a frame counts as one, with zeros after it
        lengths = lengths.clamp(min=self.least_samples)
        short = self.least_samples - waves.shape[1]
        if short > 0:
            waves = nn.functional.pad(waves, (0, short))
        if self._norm is not None:
            self._norm.frames = (lengths - self._kernel) // self._stride + 1
        return mean_frame(self.model, waves, lengths)


def receptive_field(kernels: list[int], strides: list[int]) -> int:
    """Returns the fewest samples that give one frame."""
    field = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        field = (field - 1) * stride + kernel
    return field


class _OwnFramesNorm(nn.Module):
    """Group norm with one channel per group, over the first `frames` of each row."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self._own = threading.local()

    @property
    def frames(self) -> Tensor:
        """Number of valid frames (B,) of the batch that this thread processes next."""
        frames: Tensor = self._own.frames
        return frames

    @frames.setter
    def frames(self, frames: Tensor) -> None:
        self._own.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        """Normalises (B, C, T)."""
        frames = self.frames.to(x.device)
        if bool((frames >= x.shape[2]).all()):
            return nn.functional.group_norm(x, x.shape[1], self.weight, self.bias, self.eps)
        valid = (torch.arange(x.shape[2], device=x.device) < frames.unsqueeze(1)).unsqueeze(1)
        count = frames[:, None, None]
        mean = (x * valid).sum(2, keepdim=True) / count
        centred = (x - mean) * valid
        variance = (centred**2).sum(2, keepdim=True) / count
        scaled = centred * torch.rsqrt(variance + self.eps)
        return scaled * self.weight[:, None] + self.bias[:, None]
