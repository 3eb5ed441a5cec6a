"""What the backbones of this package have in common: extractor, projection and encoder."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Optional

import torch
from torch import Tensor, nn

from dfd.detector.networks.backbone import BackboneConfig, empty_backbone


class Encoder(nn.Module):
    """The layers, and what precedes the first.

    It has those parts of torchaudio's `Transformer` that `ScoringNetwork` uses, and already has the
    fast memory layout.

    Args:
        layers: each takes states (B, T, H) and a mask (B, 1, T, T) that is added to the attention,
            or None, and returns states and None.
        position: computes position encodings of states; None if there are none.
        norm: the norm after the last layer or before the first; None if there is none.
        norm_first: whether the norm precedes the first layer.
    """

    laid_out = True

    def __init__(
        self,
        layers: list[nn.Module],
        position: nn.Module | None,
        norm: nn.Module | None,
        *,
        norm_first: bool,
    ) -> None:
        super().__init__()
        self.adds_position = position is not None
        self.pos_conv_embed = nn.Identity() if position is None else position
        self.layers = nn.ModuleList(layers)
        self.layer_norm = nn.Identity() if norm is None else norm
        self.layer_norm_first = norm_first

    @torch.jit.export
    def _preprocess(self, x: Tensor) -> Tensor:
        """Takes frames (B, T, H) to the input of the first layer."""
        if self.adds_position:
            x = x + self.pos_conv_embed(x)
        if self.layer_norm_first:
            x = self.layer_norm(x)
        return x

    def finish(self) -> None:
        """Called after all tensors have been loaded."""


class Projection(nn.Module):
    """The projection of frames (B, T, C) to states (B, T, H)."""

    def __init__(self, inputs: int, hidden: int, epsilon: float) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(inputs, eps=epsilon)
        self.projection = nn.Linear(inputs, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, T, C) to (B, T, H)."""
        found: Tensor = self.projection(self.layer_norm(x))
        return found


class SpeechBackbone(nn.Module):
    """A backbone whose tensors have transformers' names.

    Args:
        extractor: takes samples (B, N) and lengths (B,), or None, to frames (B, T, C) and None.
        projection: takes frames to states.
        encoder: takes states to states, layer by layer.
    """

    def __init__(self, extractor: Any, projection: Any, encoder: Encoder) -> None:
        super().__init__()
        self.feature_extractor = extractor
        self.feature_projection = projection
        self.encoder = encoder

    def shapes(self) -> dict[str, torch.Size]:
        """Returns the shape of every tensor that it needs, by name."""
        return {name: value.shape for name, value in self.state_dict().items()}

    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Fills it with the tensors that `shapes` names."""
        self.load_state_dict({name: tensors[name] for name in self.state_dict()}, assign=True)
        self.requires_grad_(False)
        self.encoder.finish()
        self.eval()


def with_convolutions(config: BackboneConfig, encoder: Encoder) -> SpeechBackbone:
    """Builds a backbone with wav2vec 2.0's convolutions and projection before an encoder."""
    bare = empty_backbone(replace(config, num_hidden_layers=0))
    return SpeechBackbone(bare.feature_extractor, bare.encoder.feature_projection, encoder)


class ConvPosition(nn.Module):
    """wav2vec 2.0's positional convolution, with its norm folded in."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        kernel = config.num_conv_pos_embeddings
        self.conv = nn.Conv1d(
            config.hidden_size,
            config.hidden_size,
            kernel,
            padding=kernel // 2,
            groups=config.num_conv_pos_embedding_groups,
        )
        self.surplus = 1 - kernel % 2

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, T, H) to (B, T, H)."""
        y = self.conv(x.transpose(1, 2))
        if self.surplus > 0:
            y = y[:, :, : -self.surplus]
        return nn.functional.gelu(y).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(self, hidden: int, inner: int, *, swish: bool = False) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(hidden, inner)
        self.output_dense = nn.Linear(inner, hidden)
        self.swish = swish

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, T, H) to (B, T, H)."""
        found: Tensor = self.output_dense(activated(self.intermediate_dense(x), self.swish))
        return found


def activated(x: Tensor, swish: bool) -> Tensor:
    """Applies swish or GELU."""
    return nn.functional.silu(x) if swish else nn.functional.gelu(x)


def heads_of(x: Tensor, heads: int) -> Tensor:
    """Takes (B, T, H) to (B, heads, T, H / heads)."""
    batch, frames, hidden = x.size(0), x.size(1), x.size(2)
    return x.view(batch, frames, heads, hidden // heads).transpose(1, 2)


def attended(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Optional[Tensor],  # noqa: UP045 - TorchScript
    mask: Optional[Tensor],  # noqa: UP045
) -> Tensor:
    """Computes attention (B, T, heads D) of (B, heads, T, D), with a bias and a mask added."""
    if bias is not None and mask is not None:
        bias = bias + mask
    elif bias is None:
        bias = mask
    x = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    batch, frames = x.size(0), x.size(2)
    return x.transpose(1, 2).reshape(batch, frames, -1)
