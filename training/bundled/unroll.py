"""Writes trained networks out as a Wav2Vec2 with light CNNs behind it.

The spectrogram becomes three convolutions: rectified filters, the GELUs of each band, and their
weighted sum. Every layer of such a Wav2Vec2 has a layer normalisation, which would remove the level
of a frame. It is made to scale by a constant and do nothing else: there are three spare features.
One, the *balance*, holds minus the sum of all others, so that the mean over features is constant;
two, the *references*, lie so far on both sides of it that the variance is constant too. Scale and
shift of the normalisation undo both. There is no transformer layer, and the positional convolution
adds zero.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dfd.detector.networks import light_cnn
from dfd.detector.networks.light_cnn import LightCnnConfig
from dfd.detector.networks.spectrogram import (
    CONFIG_KEY,
    LIFT,
    PHASES,
    RECTIFIER_GAIN,
    SPARE_FEATURES,
    SpectrogramOptions,
    compression,
    filter_bank,
)

if TYPE_CHECKING:
    from dfd.detector.with_transformers import Wav2Vec2LightCnn
    from dfd.training.bundled.network import Network

# A power of two, which half precision represents exactly, and large against any sum of features.
REFERENCE = 2.0**15
LAYER_NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class Layer:
    """A convolution (O, I, taps), its bias (O,), and gain and offset (O,) before GELU."""

    weight: Tensor
    bias: Tensor
    gain: Tensor
    offset: Tensor


@torch.no_grad()
def written_out(
    networks: Sequence[Network], weights: Sequence[float], hop_samples: int
) -> Wav2Vec2LightCnn:
    """Writes networks on one spectrogram as branches of one network in the transformers format.

    It is on the CPU. Its log-odds are the weighted sum of theirs. Hops of `hop_samples` are
    normalised one by one; 0 means whole windows.
    """
    from dfd.detector.with_transformers import Wav2Vec2LightCnn

    spectrogram = networks[0].options.spectrogram
    if any(network.options.spectrogram != spectrogram for network in networks):
        raise ValueError("networks can be joined only if they use the same spectrogram")
    head = LightCnnConfig(tuple(network.options.branch for network in networks), hop_samples)
    model = Wav2Vec2LightCnn(_config(spectrogram, head))
    model.train(False)
    backbone: Any = model.wav2vec2
    layers = _layers(spectrogram)
    convolutions = backbone.feature_extractor.conv_layers
    for target, layer in zip(convolutions, layers, strict=True):
        _write(target, layer)
    _settle(backbone, spectrogram.bands)
    for network, branch, weight in zip(networks, model.light_cnn.branches, weights, strict=True):
        _fold(network, branch, weight)
    return model


def _config(spectrogram: SpectrogramOptions, head: LightCnnConfig) -> Any:
    from transformers import Wav2Vec2Config

    signals = (PHASES * spectrogram.bands, spectrogram.knots * spectrogram.bands, spectrogram.bands)
    make: Any = Wav2Vec2Config
    return make(
        hidden_size=spectrogram.features,
        num_hidden_layers=0,
        num_attention_heads=1,
        intermediate_size=1,
        feat_extract_norm="layer",
        conv_bias=True,
        conv_dim=tuple(count + SPARE_FEATURES for count in signals),
        conv_kernel=(spectrogram.taps, 1, 1),
        conv_stride=(spectrogram.hop_samples, 1, 1),
        num_feat_extract_layers=len(signals),
        num_conv_pos_embeddings=1,
        num_conv_pos_embedding_groups=1,
        do_stable_layer_norm=True,
        layer_norm_eps=LAYER_NORM_EPSILON,
        feat_proj_dropout=0.0,
        hidden_dropout=0.0,
        apply_spec_augment=False,
        num_labels=2,
        id2label={0: "bonafide", 1: "spoof"},
        label2id={"bonafide": 0, "spoof": 1},
        **{
            light_cnn.CONFIG_KEY: json.loads(json.dumps(asdict(head))),
            CONFIG_KEY: asdict(spectrogram),
        },
    )


def _layers(options: SpectrogramOptions) -> list[Layer]:
    """Returns the spectrogram as one-dimensional convolutions, without spare features."""
    bands, knots = options.bands, options.knots
    curve = compression(knots, options.floor)
    count = PHASES * bands
    rectified = Layer(
        filter_bank(options).unsqueeze(1),
        torch.zeros(count),
        torch.full((count,), RECTIFIER_GAIN),
        torch.zeros(count),
    )
    # Feature `band * knots + knot` is one GELU of the magnitude of one band.
    each = torch.zeros(bands, knots, bands, PHASES)
    each[range(bands), :, range(bands), :] = 1.0 / RECTIFIER_GAIN
    knees = Layer(
        each.reshape(bands * knots, count, 1),
        torch.zeros(bands * knots),
        curve.gains.repeat(bands),
        torch.full((bands * knots,), curve.offset),
    )
    mix = torch.zeros(bands, bands, knots)
    mix[range(bands), range(bands), :] = curve.weights
    total = Layer(
        mix.reshape(bands, bands * knots, 1),
        torch.full((bands,), curve.constant),
        torch.ones(bands),
        torch.zeros(bands),
    )
    return [rectified, knees, total]


def _write(target: Any, layer: Layer) -> None:
    """Writes a convolution whose normalisation only applies gain and offset."""
    count, before, _ = layer.weight.shape
    convolution, norm = target.conv, target.layer_norm
    convolution.weight.zero_()
    convolution.weight[:count, :before] = layer.weight
    convolution.weight[count, :before] = -layer.weight.sum(0)
    convolution.bias.zero_()
    convolution.bias[:count] = layer.bias
    convolution.bias[count] = -layer.bias.sum()
    convolution.bias[-2:] = torch.tensor([REFERENCE, -REFERENCE])
    norm.weight.zero_()
    norm.bias.zero_()
    norm.weight[:count] = layer.gain * _deviation(REFERENCE, count + SPARE_FEATURES)
    norm.bias[:count] = layer.offset


def _settle(backbone: Any, bands: int) -> None:
    """Makes the bands pass unchanged from the last convolution to the head."""
    total = bands + SPARE_FEATURES
    last = backbone.feature_extractor.conv_layers[-1].layer_norm
    last.weight.fill_(_deviation(REFERENCE, total))
    last.bias.fill_(LIFT)
    last.weight[-2:] = 0.0
    last.bias[-2:] = torch.tensor([2 * LIFT, 0.0])

    projection = backbone.feature_projection
    projection.layer_norm.weight.fill_(_deviation(LIFT, total))
    projection.layer_norm.bias.zero_()
    projection.layer_norm.weight[-2:] = 0.0
    projection.layer_norm.bias[-2:] = torch.tensor([REFERENCE, -REFERENCE])
    projection.projection.weight.copy_(torch.eye(total))
    projection.projection.bias.zero_()

    position = backbone.encoder.pos_conv_embed.conv
    position.bias.zero_()
    position.parametrizations.weight.original0.zero_()
    position.parametrizations.weight.original1.fill_(1.0)

    norm = backbone.encoder.layer_norm
    norm.weight.zero_()
    norm.weight[:bands] = _deviation(REFERENCE, total)
    norm.bias.zero_()


def _fold(network: Network, branch: Any, weight: float) -> None:
    """Folds batch normalisation into the convolutions, and the weight into the classifier."""
    for stage, convolution, norm in zip(
        branch.stages, network.convolutions, network.norms, strict=True
    ):
        target, source, statistics = _any(stage).conv, _any(convolution), _any(norm)
        scale = statistics.weight.abs() / torch.sqrt(statistics.running_var + statistics.eps)
        target.weight.copy_(source.weight * scale[:, None, None, None])
        target.bias.copy_(statistics.bias - statistics.running_mean * scale)
    branch.projector.load_state_dict(network.projector.state_dict())
    branch.classifier.weight.copy_(network.classifier.weight * weight)
    branch.classifier.bias.copy_(network.classifier.bias * weight)


def _deviation(reference: float, total: int) -> float:
    """Returns the deviation of features of which two lie `reference` above and below the mean."""
    variance = 2.0 * reference**2 / total + LAYER_NORM_EPSILON
    return float(variance**0.5)


def _any(module: Any) -> Any:
    return module
