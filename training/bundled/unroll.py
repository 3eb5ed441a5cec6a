"""Writes a ``TiedExtractor`` out as the convolutions of a Wav2Vec2 with layer normalisation.

A pattern shared by all bands becomes one row of weights for each band, and batch normalisation is
folded into weights and biases. Layer normalisation, which every layer of such a Wav2Vec2 has, is
made to do nothing but scale by a constant: of the two spare channels one, the *balance*, holds
minus the sum of all others, so that the mean over channels is a constant, and one, the
*reference*, holds a constant so large that the variance is one too. Scale and shift of the
normalisation undo both, and silence the spare channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dfd.training.bundled.extractor import PHASES, RECTIFIER_GAIN, SPARE_CHANNELS, TiedExtractor

# A power of two, so half precision holds it; large against any sum of channels.
REFERENCE = 2.0**13
LAYER_NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class Layer:
    """A convolution (O, I, taps), its bias (O,), and gain and offset (O,) before GELU."""

    weight: Tensor
    bias: Tensor
    gain: Tensor
    offset: Tensor


@torch.no_grad()
def unroll(extractor: TiedExtractor, convolutions: nn.ModuleList) -> None:
    """Fill the layers of a transformers ``Wav2Vec2FeatureEncoder`` (layer norm, with bias)."""
    layers = dense_layers(extractor)
    for target, layer in zip(convolutions, layers, strict=True):
        _write(target, layer)


def dense_layers(extractor: TiedExtractor) -> list[Layer]:
    """The extractor as one-dimensional convolutions, without spare channels."""
    options = extractor.options
    bands, knots = options.bands, options.knots
    filters, gains = _buffer(extractor.filters), _buffer(extractor.gains)
    count = PHASES * bands
    layers = [
        Layer(filters, torch.zeros(count), torch.full((count,), RECTIFIER_GAIN), torch.zeros(count))
    ]
    # Channel ``band * knots + knot`` is one GELU of the magnitude of one band.
    each = torch.zeros(bands, knots, bands, PHASES)
    each[range(bands), :, range(bands), :] = 1.0 / RECTIFIER_GAIN
    layers.append(
        Layer(
            each.reshape(bands * knots, count, 1),
            torch.zeros(bands * knots),
            gains.repeat(bands),
            torch.full((bands * knots,), extractor.offset),
        )
    )
    # The first plane sees the weighted sum of a band's GELUs and a constant.
    mix = torch.zeros(bands, bands, knots)
    mix[range(bands), range(bands), :] = _buffer(extractor.weights)
    mix = mix.reshape(bands, bands * knots)
    constant = torch.full((bands,), extractor.constant)
    for plane, norm, height in zip(
        extractor.planes, extractor.norms, options.plane_bands, strict=False
    ):
        dense = _dense(plane, height)
        scale, shift = _folded(norm, dense.shape[0] // _maps(plane))
        weight = torch.einsum("oit,ij->ojt", dense, mix) if mix.numel() else dense
        bias = dense.sum(2) @ constant if mix.numel() else torch.zeros(dense.shape[0])
        ones = torch.ones(dense.shape[0])
        layers.append(
            Layer(weight * scale[:, None, None], bias * scale + shift, ones, torch.zeros(len(ones)))
        )
        mix = torch.zeros(0)
    return layers


def _dense(plane: Any, height: int) -> Tensor:
    """Weights (maps * bands out, maps * bands in, taps) of a convolution over bands and time."""
    weight = plane.weight.detach()
    maps, before, band_taps, taps = weight.shape
    stride, padding = plane.stride[0], plane.padding[0]
    out = (height + 2 * padding - band_taps) // stride + 1
    dense = torch.zeros(maps, out, before, height, taps)
    for row in range(out):
        for tap in range(band_taps):
            band = row * stride - padding + tap
            if 0 <= band < height:
                dense[:, row, :, band] = weight[:, :, tap]
    return dense.reshape(maps * out, before * height, taps)


def _folded(norm: Any, bands: int) -> tuple[Tensor, Tensor]:
    """Scale and shift (maps * bands,) of a batch normalisation that is not training."""
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    return scale.detach().repeat_interleave(bands), shift.detach().repeat_interleave(bands)


def _write(target: Any, layer: Layer) -> None:
    count, before, taps = layer.weight.shape
    total = count + SPARE_CHANNELS
    convolution, norm = target.conv, target.layer_norm
    inputs = convolution.weight.shape[1]
    weight = torch.zeros(total, inputs, taps)
    weight[:count, :before] = layer.weight
    weight[count] = -weight[:count].sum(0)
    bias = torch.zeros(total)
    bias[:count] = layer.bias
    bias[count] = -layer.bias.sum()
    bias[count + 1] = REFERENCE
    mean = REFERENCE / total
    deviation = (REFERENCE**2 / total - mean**2 + LAYER_NORM_EPSILON) ** 0.5
    scale, shift = torch.zeros(total), torch.zeros(total)
    scale[:count] = layer.gain * deviation
    shift[:count] = layer.gain * mean + layer.offset
    convolution.weight.copy_(weight)
    convolution.bias.copy_(bias)
    norm.weight.copy_(scale)
    norm.bias.copy_(shift)


def _maps(plane: Any) -> int:
    return int(plane.weight.shape[0])


def _buffer(value: Any) -> Tensor:
    tensor: Tensor = value.detach().cpu()
    return tensor
