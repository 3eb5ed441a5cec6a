"""WavLM: wav2vec 2.0 with a gated relative position bias in its attention (Chen et al., 2022)."""

import math
from typing import Optional

import torch
from torch import Tensor, nn

from dfd.detector.jsonfile import Fields
from dfd.detector.networks.backbone import BackboneConfig, read_config
from dfd.detector.networks.encoders.speech import (
    ConvPosition,
    Encoder,
    FeedForward,
    SpeechBackbone,
    attended,
    heads_of,
    with_convolutions,
)


class Attention(nn.Module):
    """Self-attention with a bias for each distance, gated by the states of each head.

    Args:
        hidden: width of the states.
        heads: number of heads.
        buckets: number of distances that are distinguished, in both directions together.
        farthest: distance beyond which all distances are in one bucket.
        first: whether it belongs to the first layer, whose table all layers use.
    """

    table: Tensor

    def __init__(
        self, hidden: int, heads: int, buckets: int, farthest: int, *, first: bool
    ) -> None:
        super().__init__()
        self.heads = heads
        self.buckets = buckets
        self.farthest = farthest
        self.q_proj = nn.Linear(hidden, hidden)
        self.k_proj = nn.Linear(hidden, hidden)
        self.v_proj = nn.Linear(hidden, hidden)
        self.out_proj = nn.Linear(hidden, hidden)
        self.gru_rel_pos_const = nn.Parameter(torch.ones(1, heads, 1, 1))
        self.gru_rel_pos_linear = nn.Linear(hidden // heads, 8)
        if first:
            self.rel_attn_embed = nn.Embedding(buckets, heads)
        # the first layer's, set by `WavLMEncoder.finish`
        self.register_buffer("table", torch.zeros(buckets, heads), persistent=False)

    def forward(self, x: Tensor, mask: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
        """Takes (B, T, H) to (B, T, H)."""
        gates = self.gru_rel_pos_linear(heads_of(x, self.heads))
        batch, heads, frames = gates.size(0), gates.size(1), gates.size(2)
        gates = torch.sigmoid(gates.view(batch, heads, frames, 2, 4).sum(-1))
        gate = gates[:, :, :, :1] * (gates[:, :, :, 1:] * self.gru_rel_pos_const - 1.0) + 2.0
        found: Tensor = self.out_proj(
            attended(
                heads_of(self.q_proj(x), heads),
                heads_of(self.k_proj(x), heads),
                heads_of(self.v_proj(x), heads),
                gate * self.bias(frames),
                mask,
            )
        )
        return found

    def bias(self, frames: int) -> Tensor:
        """Returns the bias (heads, T, T) of the attention between each two frames."""
        distance = torch.arange(1 - frames, frames, device=self.table.device)
        half = self.buckets // 2
        exact = half // 2
        size = distance.abs()
        far = torch.log(size.clamp(min=1).float() / exact) / math.log(self.farthest / exact)
        far = (exact + far * (half - exact)).long().clamp(max=half - 1)
        bucket = torch.where(size < exact, size, far) + (distance > 0).long() * half
        # by distance (heads, 2 T - 1); the row of frame i starts at distance -i
        values = self.table[bucket].t()
        return values.unfold(1, frames, 1).flip(1)


class Layer(nn.Module):
    """One layer; its norms follow each part, or precede it ("stable")."""

    def __init__(self, config: BackboneConfig, attention: Attention) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.attention = attention
        self.layer_norm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(hidden, config.intermediate_size)
        self.final_layer_norm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)
        self.norm_first = config.do_stable_layer_norm

    def forward(
        self,
        x: Tensor,
        mask: Optional[Tensor],  # noqa: UP045 - TorchScript
    ) -> tuple[Tensor, Optional[Tensor]]:  # noqa: UP045
        """Takes (B, T, H) to (B, T, H)."""
        if self.norm_first:
            x = x + self.attention(self.layer_norm(x), mask)
            return x + self.feed_forward(self.final_layer_norm(x)), None
        x = self.layer_norm(x + self.attention(x, mask))
        return self.final_layer_norm(x + self.feed_forward(x)), None


class WavLMEncoder(Encoder):
    """An encoder whose layers all use the table of the first one."""

    def finish(self) -> None:
        """Called after all tensors have been loaded."""
        layers = [layer for layer in self.layers if isinstance(layer, Layer)]
        for layer in layers:
            layer.attention.table = layers[0].attention.rel_attn_embed.weight.detach()


def read(fields: Fields) -> BackboneConfig:
    """Reads the sizes.

    Raises:
        UserError: if it is not a WavLM, or has a part that is not supported.
    """
    return read_config(fields, ("wavlm",))


def build(config: BackboneConfig, fields: Fields) -> SpeechBackbone:
    """Builds an empty WavLM."""
    buckets = fields.integer("num_buckets", 320, 4)
    farthest = fields.integer("max_bucket_distance", 800, 2)
    fields.require(farthest > buckets // 4, "max_bucket_distance", "above a quarter of num_buckets")
    layers: list[nn.Module] = [
        Layer(
            config,
            Attention(
                config.hidden_size,
                config.num_attention_heads,
                buckets,
                farthest,
                first=number == 0,
            ),
        )
        for number in range(config.num_hidden_layers)
    ]
    norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
    encoder = WavLMEncoder(
        layers, ConvPosition(config), norm, norm_first=not config.do_stable_layer_norm
    )
    return with_convolutions(config, encoder)
