"""The first convolution of "group" extractors, which have a norm over the whole window.

Its statistics are taken over time, so zeros after a short window would change every frame. Here
they are taken only over the frames that contain audio, so that a short window scores as if it were
alone and not padded.
"""

from typing import Optional

import torch
from torch import Tensor, nn


class MaskedFirstLayer(nn.Module):
    """Replaces torchaudio's first `ConvLayerBlock` of a "group" extractor.

    Args:
        block: the layer to replace, whose tensors are used.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        conv, norm = block.conv, block.layer_norm
        assert isinstance(conv, nn.Conv1d)
        assert isinstance(norm, nn.GroupNorm)
        assert norm.num_groups == norm.num_channels
        self.conv = conv
        self.layer_norm = norm
        self.kernel_size = int(conv.kernel_size[0])
        self.stride = int(conv.stride[0])

    def forward(
        self,
        x: Tensor,
        length: Optional[Tensor],  # noqa: UP045 - TorchScript
    ) -> tuple[Tensor, Optional[Tensor]]:  # noqa: UP045
        """Takes samples (B, 1, N) to frames (B, C, T), and their valid numbers (B,) likewise."""
        x = self.conv(x)
        if length is None:
            return nn.functional.gelu(self.layer_norm(x)), length
        count = torch.div(length - self.kernel_size, self.stride, rounding_mode="floor") + 1
        frames = torch.arange(x.size(2), device=x.device).unsqueeze(0) < count.unsqueeze(1)
        valid = frames.unsqueeze(1).to(torch.float32)
        total = count.to(torch.float32).clamp(min=1.0).unsqueeze(1).unsqueeze(2)
        # statistics in float32, as GroupNorm computes them
        full = x.float()
        mean = (full * valid).sum(dim=2, keepdim=True) / total
        centred = (full - mean) * valid
        variance = (centred * centred).sum(dim=2, keepdim=True) / total
        scale = torch.rsqrt(variance + self.layer_norm.eps)
        weight = self.layer_norm.weight.float().unsqueeze(0).unsqueeze(2)
        bias = self.layer_norm.bias.float().unsqueeze(0).unsqueeze(2)
        normed = (centred * scale * weight + bias).to(x.dtype)
        return nn.functional.gelu(normed), count
