"""The same network with a faster memory layout: every tensor has frames first and channels last.

A convolution over patches that are contiguous in memory is one large matrix product, and needs no
change of layout before the norms or the transformer. A first layer with a norm over the whole
window ("group" extractors) is folded into one product too: the mean and variance of each channel
over time follow from the mean and the covariance of the patches, which is small (ten rows), so the
layer's output is written only once, already normalised.
"""

import math
from typing import Any, Optional

import torch
from torch import Tensor, nn

from dfd.detector.networks.scoring import ScoringNetwork


class Dense(nn.Module):
    """A linear layer, optionally followed by GELU."""

    def __init__(self, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
        self.bias = (
            None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)
        )
        self.gelu = gelu

    def forward(self, x: Tensor) -> Tensor:
        """Takes (..., inputs) to (..., outputs)."""
        x = nn.functional.linear(x, self.weight, self.bias)
        return nn.functional.gelu(x) if self.gelu else x


def patches(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Returns the inputs of a convolution at each position, side by side.

    Args:
        x: (B, T, C), where T is a multiple of `stride`.
        kernel: frames under the kernel.
        stride: frames from one position to the next.

    Returns:
        (B, T / stride, kernel C), with zeros for frames beyond the end.
    """
    batch, frames, channels = x.size(0), x.size(1), x.size(2)
    places = frames // stride
    rows = x.reshape(batch, places, stride * channels)
    if kernel == stride:
        return rows
    if kernel < stride:
        return rows[:, :, : kernel * channels]
    parts = [rows]
    missing = kernel - stride
    ahead = 1
    while missing > 0:
        take = min(missing, stride) * channels
        part = rows[:, ahead:, :take]
        parts.append(nn.functional.pad(part, [0, 0, 0, ahead]))
        missing -= stride
        ahead += 1
    return torch.cat(parts, dim=2)


class ConvStep(nn.Module):
    """One convolution over frames, followed by its norm over channels if it has one, and GELU."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        conv, norm = block.conv, block.layer_norm
        assert isinstance(conv, nn.Conv1d)
        self.kernel = int(conv.kernel_size[0])
        self.stride = int(conv.stride[0])
        # (out, in, kernel) to the order of the patches
        weight = conv.weight.transpose(1, 2).reshape(conv.weight.size(0), -1)
        self.own = self.stride * conv.weight.size(1)  # of the inputs; the others lie ahead
        self.in_two = conv.weight.size(1) > 1 and self.stride < self.kernel <= 2 * self.stride
        self.dense: Any = Dense(weight, conv.bias)
        self.norm: Any = _plain_norm(norm) if isinstance(norm, nn.LayerNorm) else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, T, C) to (B, T / stride, C')."""
        if self.in_two and x.dtype == torch.float32 and x.device.type == "cpu":
            x = self.added_up(x)
        else:
            x = self.dense(patches(x, self.kernel, self.stride))
        return nn.functional.gelu(self.norm(x))

    def added_up(self, x: Tensor) -> Tensor:
        """Convolves without writing the patches: a fifth less time on CPUs where they overlap."""
        batch, places = x.size(0), x.size(1) // self.stride
        rows = x.reshape(batch, places, self.own)
        weight: Tensor = self.dense.weight
        bias: Optional[Tensor] = self.dense.bias  # noqa: UP045 - TorchScript
        y = nn.functional.linear(rows, weight[:, : self.own], bias)
        ahead = weight[:, self.own :].t()
        y[:, :-1].baddbmm_(
            rows[:, 1:, : ahead.size(0)], ahead.expand(batch, ahead.size(0), ahead.size(1))
        )
        return y


class GroupedFirstStep(nn.Module):
    """The first convolution, if it has a norm over the window for each channel."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        conv, norm = block.conv, block.layer_norm
        assert isinstance(conv, nn.Conv1d)
        assert isinstance(norm, nn.GroupNorm)
        self.kernel = int(conv.kernel_size[0])
        self.stride = int(conv.stride[0])
        # The norm subtracts the mean, and the bias with it.
        self.register_buffer("weight", conv.weight.detach().flatten(1))
        self.register_buffer("gain", norm.weight.detach())
        self.register_buffer("shift", norm.bias.detach())
        self.epsilon = float(norm.eps)

    weight: Tensor
    gain: Tensor
    shift: Tensor

    def forward(self, x: Tensor, samples: Tensor) -> Tensor:
        """Takes samples (B, N, 1), with their valid numbers (B,), to (B, N / stride, C)."""
        places = patches(x, self.kernel, self.stride)
        weight, shift = self.folded(places, samples)
        return nn.functional.gelu(torch.baddbmm(shift, places, weight))

    def folded(self, places: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the weight (B, kernel, C) and shift (B, 1, C) that give normalised channels.

        They are computed in float64, because a channel's variance may be a thousandth of that of
        its patches.
        """
        counts = torch.div(samples - self.kernel, self.stride, rounding_mode="floor") + 1
        filters = self.weight.double()
        wide = places.double()
        valid = torch.arange(wide.size(1), device=wide.device).unsqueeze(0) < counts.unsqueeze(1)
        wide = wide * valid.unsqueeze(2)
        total = counts.to(wide.dtype).clamp(min=1.0).unsqueeze(1)
        mean = wide.sum(dim=1) / total  # (B, kernel)
        second = wide.transpose(1, 2) @ wide / total.unsqueeze(2)
        covariance = second - mean.unsqueeze(2) * mean.unsqueeze(1)
        variance = ((filters @ covariance) * filters).sum(dim=2).clamp(min=0.0)
        scale = self.gain.double() / torch.sqrt(variance + self.epsilon)  # (B, C)
        weight = filters.t().unsqueeze(0) * scale.unsqueeze(1)
        shift = self.shift.double() - mean @ filters.t() * scale
        return weight.to(places.dtype), shift.unsqueeze(1).to(places.dtype)


class PlainFirstStep(nn.Module):
    """The first convolution, if it has a norm over channels, or none."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.step: Any = ConvStep(block)

    def forward(self, x: Tensor, samples: Tensor) -> Tensor:
        """Takes samples (B, N, 1) to (B, N / stride, C)."""
        frames: Tensor = self.step(x)
        return frames


class FrameExtractor(nn.Module):
    """The convolutions, samples to frames; has the interface of torchaudio's `FeatureExtractor`."""

    def __init__(self, extractor: Any) -> None:
        super().__init__()
        blocks = list(extractor.conv_layers)
        grouped = isinstance(blocks[0].layer_norm, nn.GroupNorm)
        self.first: Any = GroupedFirstStep(blocks[0]) if grouped else PlainFirstStep(blocks[0])
        self.steps = nn.ModuleList(ConvStep(block) for block in blocks[1:])
        self.kernels = [int(block.kernel_size) for block in blocks]
        self.strides = [int(block.stride) for block in blocks]
        self.stride = math.prod(self.strides)

    def forward(
        self,
        x: Tensor,
        lengths: Optional[Tensor],  # noqa: UP045 - TorchScript
    ) -> tuple[Tensor, Optional[Tensor]]:  # noqa: UP045
        """Takes samples (B, N) to frames (B, T, C).

        Args:
            x: the samples.
            lengths: (B,), number of samples in a norm over time; None means all.
        """
        frames = x.size(1)
        samples = torch.full([x.size(0)], frames, device=x.device) if lengths is None else lengths
        x = nn.functional.pad(x, [0, -frames % self.stride]).unsqueeze(2)
        x = self.first(x, samples)
        for step in self.steps:
            x = step(x)
        for kernel, stride in zip(self.kernels, self.strides):  # noqa: B905 - TorchScript
            frames = (frames - kernel) // stride + 1
        return x[:, :frames], None


class FrameLayer(nn.Module):
    """One layer of the transformer; has the interface of torchaudio's `EncoderLayer`."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        attention, forward = layer.attention, layer.feed_forward
        inputs = (attention.q_proj, attention.k_proj, attention.v_proj)
        self.inputs: Any = Dense(
            torch.cat([one.weight for one in inputs]), torch.cat([one.bias for one in inputs])
        )
        self.output: Any = Dense(attention.out_proj.weight, attention.out_proj.bias)
        wide, narrow = forward.intermediate_dense, forward.output_dense
        self.wide: Any = Dense(wide.weight, wide.bias, gelu=True)
        self.narrow: Any = Dense(narrow.weight, narrow.bias)
        self.norm: Any = layer.layer_norm
        self.last_norm: Any = layer.final_layer_norm
        self.norm_first = bool(layer.layer_norm_first)
        self.heads = int(attention.num_heads)

    def forward(
        self,
        x: Tensor,
        mask: Optional[Tensor],  # noqa: UP045 - TorchScript
    ) -> tuple[Tensor, Optional[Tensor]]:  # noqa: UP045
        """Takes (B, T, H) to (B, T, H); `mask` (B, 1, T, T) is added to the attention."""
        if self.norm_first:
            x = x + self.attend(self.norm(x), mask)
            return x + self.narrow(self.wide(self.last_norm(x))), None
        x = self.norm(x + self.attend(x, mask))
        return self.last_norm(x + self.narrow(self.wide(x))), None

    def attend(self, x: Tensor, mask: Optional[Tensor]) -> Tensor:  # noqa: UP045
        """Computes the self-attention of all heads."""
        batch, frames, hidden = x.size(0), x.size(1), x.size(2)
        split = self.inputs(x).view(batch, frames, 3, self.heads, hidden // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        x = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        joined: Tensor = self.output(x.transpose(1, 2).reshape(batch, frames, hidden))
        return joined


class Position(nn.Module):
    """The convolution that encodes the position of frames."""

    def __init__(self, embed: Any) -> None:
        super().__init__()
        self.conv: Any = embed.conv
        self.surplus = int(embed.num_remove)

    def forward(self, x: Tensor) -> Tensor:
        """Takes (B, T, H) to (B, T, H)."""
        y = self.conv(x.transpose(1, 2))
        if self.surplus > 0:
            y = y[:, :, : -self.surplus]
        return nn.functional.gelu(y).transpose(1, 2)


class FrameTransformer(nn.Module):
    """The transformer; has those parts of torchaudio's `Transformer` that `ScoringNetwork` uses."""

    def __init__(self, transformer: Any) -> None:
        super().__init__()
        self.adds_position = any(bool(one.any()) for one in transformer.pos_conv_embed.parameters())
        self.pos_conv_embed: Any = Position(transformer.pos_conv_embed)
        self.layers = nn.ModuleList(FrameLayer(layer) for layer in transformer.layers)
        self.layer_norm: Any = transformer.layer_norm
        self.layer_norm_first = bool(transformer.layer_norm_first)

    @torch.jit.export
    def _preprocess(self, x: Tensor) -> Tensor:
        """Takes frames (B, T, H) to the input of the first layer."""
        if self.adds_position:
            x = x + self.pos_conv_embed(x)
        return self.layer_norm(x) if self.layer_norm_first else x


def lay_out(network: ScoringNetwork) -> ScoringNetwork:
    """Replaces a network's parts by those of this module; its scores stay the same."""
    short = network.short_extractor
    extractor, transformer = network.feature_extractor, network.transformer
    if not is_laid_out(extractor):
        network.feature_extractor = short or FrameExtractor(extractor)
    network.short_extractor = None
    if not is_laid_out(transformer):
        network.transformer = FrameTransformer(transformer)
    return network.eval()


def is_laid_out(part: nn.Module) -> bool:
    """Returns whether a part has frames first and channels last already."""
    return bool(getattr(part, "laid_out", False))


def _plain_norm(norm: nn.LayerNorm) -> nn.LayerNorm:
    """Converts torchaudio's `LayerNorm` to one over channels that come last."""
    plain = nn.LayerNorm(list(norm.normalized_shape), norm.eps)
    plain.load_state_dict(norm.state_dict())
    return plain.requires_grad_(False)
