"""Conformers (Gulati et al., 2020): the layers of Wav2Vec2-Conformer and Wav2Vec2-BERT."""

import math
from dataclasses import dataclass, replace
from typing import Final, Optional

import torch
from torch import Tensor, nn

from dfd.detector.jsonfile import Fields
from dfd.detector.networks.backbone import BackboneConfig, read_config
from dfd.detector.networks.encoders.speech import (
    ConvPosition,
    Encoder,
    FeedForward,
    SpeechBackbone,
    activated,
    attended,
    heads_of,
    with_convolutions,
)

RELATIVE, ROTARY, RELATIVE_KEY, NONE = "relative", "rotary", "relative_key", "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes that a conformer has beyond those of other backbones.

    Attributes:
        position: kind of position encoding in the attention.
        kernel: size of the depthwise convolution's kernel.
        causal: whether that convolution sees only the past and is followed by a layer norm;
            otherwise it sees both sides and is followed by a batch norm.
        swish: whether its activations are swish; otherwise GELU.
        left, right: largest distances that "relative_key" distinguishes.
        rotary_base: base of the frequencies of "rotary".
    """

    position: str
    kernel: int
    causal: bool
    swish: bool
    left: int = 64
    right: int = 8
    rotary_base: int = 10_000


class Convolution(nn.Module):
    """A gated depthwise convolution over time."""

    causal: Final[bool]

    def __init__(self, hidden: int, epsilon: float, sizes: Sizes) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(hidden, eps=epsilon)
        self.pointwise_conv1 = nn.Conv1d(hidden, 2 * hidden, 1, bias=False)
        self.depthwise_conv = nn.Conv1d(hidden, hidden, sizes.kernel, groups=hidden, bias=False)
        self.causal = sizes.causal
        self.swish = sizes.swish
        if sizes.causal:
            self.depthwise_layer_norm = nn.LayerNorm(hidden, eps=epsilon)
            self.before, self.after = sizes.kernel - 1, 0
        else:
            self.batch_norm = nn.BatchNorm1d(hidden, track_running_stats=True)
            self.before = self.after = (sizes.kernel - 1) // 2
        self.pointwise_conv2 = nn.Conv1d(hidden, hidden, 1, bias=False)

    def forward(self, x: Tensor, valid: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
        """Takes (B, T, H) to (B, T, H); `valid` (B, 1, T) is 0 for frames beyond the end."""
        x = self.pointwise_conv1(self.layer_norm(x).transpose(1, 2))
        x = nn.functional.glu(x, dim=1)
        if valid is not None:
            x = x * valid
        x = self.depthwise_conv(nn.functional.pad(x, [self.before, self.after]))
        if self.causal:
            x = self.depthwise_layer_norm(x.transpose(1, 2)).transpose(1, 2)
        else:
            x = self.batch_norm(x)
        x = self.pointwise_conv2(activated(x, self.swish))
        return x.transpose(1, 2)


class Attention(nn.Module):
    """Self-attention with absolute or relative positions."""

    # `Final`, so that TorchScript compiles only the branches that are used
    relative: Final[bool]
    rotary: Final[bool]
    keyed: Final[bool]

    def __init__(self, hidden: int, heads: int, sizes: Sizes) -> None:
        super().__init__()
        self.heads, self.width = heads, hidden // heads
        self.scale = 1.0 / math.sqrt(self.width)
        self.relative = sizes.position == RELATIVE
        self.rotary = sizes.position == ROTARY
        self.keyed = sizes.position == RELATIVE_KEY
        self.left, self.right = sizes.left, sizes.right
        self.linear_q = nn.Linear(hidden, hidden)
        self.linear_k = nn.Linear(hidden, hidden)
        self.linear_v = nn.Linear(hidden, hidden)
        self.linear_out = nn.Linear(hidden, hidden)
        if self.relative:
            self.linear_pos = nn.Linear(hidden, hidden, bias=False)
            self.pos_bias_u = nn.Parameter(torch.zeros(heads, self.width))
            self.pos_bias_v = nn.Parameter(torch.zeros(heads, self.width))
        if self.keyed:
            self.distance_embedding = nn.Embedding(sizes.left + sizes.right + 1, self.width)
        of = hidden if self.relative else self.width
        exponents = torch.arange(0, of, 2).float() / of
        rates = 1.0 / torch.pow(torch.tensor(float(sizes.rotary_base)), exponents)
        self.register_buffer("rates", rates, persistent=False)

    rates: Tensor

    def forward(self, x: Tensor, mask: Optional[Tensor]) -> Tensor:  # noqa: UP045 - TorchScript
        """Takes (B, T, H) to (B, T, H)."""
        placed = x
        if self.rotary:
            placed = self.rotated(x)
        query = heads_of(self.linear_q(placed), self.heads)
        key = heads_of(self.linear_k(placed), self.heads)
        value = heads_of(self.linear_v(x), self.heads)
        bias: Optional[Tensor] = None  # noqa: UP045 - TorchScript
        if self.relative:
            bias = self.by_distance(query + self.pos_bias_v.unsqueeze(1))
            query = query + self.pos_bias_u.unsqueeze(1)
        if self.keyed:
            bias = self.by_key(query)
        found: Tensor = self.linear_out(attended(query, key, value, bias, mask))
        return found

    def rotated(self, x: Tensor) -> Tensor:
        """Rotates each head's states (B, T, H) by the position of their frame."""
        batch, frames = x.size(0), x.size(1)
        angles = torch.arange(frames, device=x.device).float().unsqueeze(1) * self.rates.float()
        angles = torch.cat([angles, angles], dim=1).unsqueeze(1)
        x = x.view(batch, frames, self.heads, self.width)
        half = self.width // 2
        turned = torch.cat([-x[:, :, :, half:], x[:, :, :, :half]], dim=3)
        x = x * angles.cos().to(x.dtype) + turned * angles.sin().to(x.dtype)
        return x.view(batch, frames, -1)

    def by_distance(self, query: Tensor) -> Tensor:
        """Returns the bias (B, heads, T, T) by sinusoids of the distance, as in Transformer-XL."""
        frames = query.size(2)
        distance = torch.arange(frames - 1, -frames, -1, device=query.device).float()
        angles = distance.unsqueeze(1) * self.rates.float()
        waves = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1).to(query.dtype)
        places = self.linear_pos(waves).view(2 * frames - 1, self.heads, self.width)
        scores = torch.matmul(query, places.permute(1, 2, 0))
        # row i has distances from T - 1 down; those that it needs start at T - 1 - i
        batch, heads = scores.size(0), scores.size(1)
        scores = nn.functional.pad(scores, [1, 0]).view(batch, heads, 2 * frames, frames)
        scores = scores[:, :, 1:].reshape(batch, heads, frames, 2 * frames - 1)
        return scores[:, :, :, :frames] * self.scale

    def by_key(self, query: Tensor) -> Tensor:
        """Returns the bias (B, heads, T, T) from an embedding of each distance."""
        places = torch.arange(query.size(2), device=query.device)
        distance = (places.unsqueeze(0) - places.unsqueeze(1)).clamp(-self.left, self.right)
        # scores by distance (B, heads, T, distances), from which each key's are gathered
        scores = torch.matmul(query, self.distance_embedding.weight.t())
        index = (distance + self.left).expand(scores.size(0), scores.size(1), -1, -1)
        return scores.gather(3, index) * self.scale


class Layer(nn.Module):
    """One layer: half a feed-forward, attention, convolution, half a feed-forward."""

    def __init__(self, config: BackboneConfig, sizes: Sizes, epsilon: float) -> None:
        super().__init__()
        hidden, inner, swish = config.hidden_size, config.intermediate_size, sizes.swish
        self.ffn1_layer_norm = nn.LayerNorm(hidden, eps=epsilon)
        self.ffn1 = FeedForward(hidden, inner, swish=swish)
        self.self_attn_layer_norm = nn.LayerNorm(hidden, eps=epsilon)
        self.self_attn = Attention(hidden, config.num_attention_heads, sizes)
        self.conv_module = Convolution(hidden, epsilon, sizes)
        self.ffn2_layer_norm = nn.LayerNorm(hidden, eps=epsilon)
        self.ffn2 = FeedForward(hidden, inner, swish=swish)
        self.final_layer_norm = nn.LayerNorm(hidden, eps=epsilon)

    def forward(
        self,
        x: Tensor,
        mask: Optional[Tensor],  # noqa: UP045 - TorchScript
    ) -> tuple[Tensor, Optional[Tensor]]:  # noqa: UP045
        """Takes (B, T, H) to (B, T, H)."""
        valid: Optional[Tensor] = None  # noqa: UP045 - TorchScript
        if mask is not None:
            valid = (mask[:, 0, :1, :] == 0).to(x.dtype)
        x = x + 0.5 * self.ffn1(self.ffn1_layer_norm(x))
        x = x + self.self_attn(self.self_attn_layer_norm(x), mask)
        x = x + self.conv_module(x, valid)
        x = x + 0.5 * self.ffn2(self.ffn2_layer_norm(x))
        return self.final_layer_norm(x), None


def read_sizes(fields: Fields, *, causal: bool) -> Sizes:
    """Reads the sizes that only conformers have.

    Raises:
        UserError: if a value is not supported.
    """
    usual = RELATIVE_KEY if causal else RELATIVE
    kinds = (RELATIVE, ROTARY, *([RELATIVE_KEY] if causal else []))
    stated = fields.content.get("position_embeddings_type", usual)
    position = NONE if stated is None else fields.text("position_embeddings_type", usual, kinds)
    kernel = fields.integer("conv_depthwise_kernel_size", 31, 1)
    fields.require(kernel % 2 == 1, "conv_depthwise_kernel_size", "an odd number")
    act = fields.text("hidden_act", "swish" if causal else "gelu", ("gelu", "swish", "silu"))
    return Sizes(
        position=position,
        kernel=kernel,
        causal=causal,
        swish=act != "gelu",
        left=fields.integer("left_max_position_embeddings", 64, 0),
        right=fields.integer("right_max_position_embeddings", 8, 0),
        rotary_base=fields.integer("rotary_embedding_base", 10_000, 2)
        if position == ROTARY
        else 10_000,
    )


def read(fields: Fields) -> BackboneConfig:
    """Reads the sizes.

    Raises:
        UserError: if it is not a Wav2Vec2-Conformer, or has a part that is not supported.
    """
    config = read_config(fields, ("wav2vec2-conformer",), activations=("gelu", "swish", "silu"))
    # the norm follows the last layer
    return replace(config, do_stable_layer_norm=True)


def build(config: BackboneConfig, fields: Fields) -> SpeechBackbone:
    """Builds an empty Wav2Vec2-Conformer.

    It has wav2vec 2.0's positional convolution, but does not use it.
    """
    sizes = read_sizes(fields, causal=False)
    layers: list[nn.Module] = [Layer(config, sizes, 1e-5) for _ in range(config.num_hidden_layers)]
    norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
    return with_convolutions(config, UnplacedEncoder(layers, config, norm))


class UnplacedEncoder(Encoder):
    """An encoder whose file has a positional convolution that is not used."""

    def __init__(self, layers: list[nn.Module], config: BackboneConfig, norm: nn.Module) -> None:
        super().__init__(layers, ConvPosition(config), norm, norm_first=False)
        self.adds_position = False
