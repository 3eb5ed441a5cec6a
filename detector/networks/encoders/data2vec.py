"""data2vec's audio model: wav2vec 2.0 with five small positional convolutions (Baevski, 2022)."""

from dataclasses import replace
from typing import Optional

from torch import Tensor, nn

from dfd.detector.jsonfile import Fields
from dfd.detector.networks.backbone import BackboneConfig, read_config
from dfd.detector.networks.encoders.speech import (
    Encoder,
    FeedForward,
    SpeechBackbone,
    attended,
    heads_of,
    with_convolutions,
)


class PositionStep(nn.Module):
    """A convolution, a norm without weights, GELU."""

    def __init__(self, hidden: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(hidden, hidden, kernel, padding=kernel // 2, groups=groups)
        self.layer_norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.surplus = 1 - kernel % 2

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, H, T) to (B, H, T)."""
        x = self.conv(x)
        if self.surplus > 0:
            x = x[:, :, : -self.surplus]
        return nn.functional.gelu(self.layer_norm(x.transpose(1, 2)).transpose(1, 2))


class Position(nn.Module):
    """The convolutions that encode the position of states."""

    def __init__(self, hidden: int, kernel: int, groups: int, steps: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PositionStep(hidden, kernel, groups) for _ in range(steps))

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, T, H) to (B, T, H)."""
        # states beyond a window's end are zeros, and have to stay zero for the next convolution
        valid = (x != 0).any(dim=2).unsqueeze(1).to(x.dtype)
        x = x.transpose(1, 2)
        for layer in self.layers:
            x = layer(x) * valid
        return x.transpose(1, 2)


class Attention(nn.Module):
    """Plain self-attention."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(hidden, hidden)
        self.k_proj = nn.Linear(hidden, hidden)
        self.v_proj = nn.Linear(hidden, hidden)
        self.out_proj = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, mask: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
        """Takes (B, T, H) to (B, T, H)."""
        query, key = heads_of(self.q_proj(x), self.heads), heads_of(self.k_proj(x), self.heads)
        value = heads_of(self.v_proj(x), self.heads)
        found: Tensor = self.out_proj(attended(query, key, value, None, mask))
        return found


class Layer(nn.Module):
    """One layer, each part followed by its norm."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        hidden, epsilon = config.hidden_size, config.layer_norm_eps
        self.attention = Attention(hidden, config.num_attention_heads)
        self.layer_norm = nn.LayerNorm(hidden, eps=epsilon)
        self.feed_forward = FeedForward(hidden, config.intermediate_size)
        self.final_layer_norm = nn.LayerNorm(hidden, eps=epsilon)

    def forward(
        self,
        x: Tensor,
        mask: Optional[Tensor],  # noqa: UP045 - TorchScript
    ) -> tuple[Tensor, Optional[Tensor]]:  # noqa: UP045
        """Takes (B, T, H) to (B, T, H)."""
        x = self.layer_norm(x + self.attention(x, mask))
        return self.final_layer_norm(x + self.feed_forward(x)), None


def read(fields: Fields) -> BackboneConfig:
    """Reads the sizes.

    Raises:
        UserError: if it is not a data2vec audio model, or has a part that is not supported.
    """
    config = read_config(fields, ("data2vec-audio",))
    return replace(config, feat_extract_norm="layer", do_stable_layer_norm=False)


def build(config: BackboneConfig, fields: Fields) -> SpeechBackbone:
    """Builds an empty data2vec audio model."""
    position = Position(
        config.hidden_size,
        fields.integer("conv_pos_kernel_size", 19, 1),
        config.num_conv_pos_embedding_groups,
        fields.integer("num_conv_pos_embeddings", 5, 1),
    )
    layers: list[nn.Module] = [Layer(config) for _ in range(config.num_hidden_layers)]
    norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
    return with_convolutions(config, Encoder(layers, position, norm, norm_first=True))
