"""A compact Wav2Vec2 whose first convolution starts as a filter bank.

A raw-waveform Wav2Vec2 trained from scratch on a few hours of speech hardly learns: its first
layers have to discover a spectrum before anything else can happen. Here the first convolution
is set to windowed sinusoids, three phases 120 degrees apart for each band. GELU rectifies them,
and the sum of the three half-waves is nearly constant over a period (a ripple of 6 %), so the
second convolution, set to that sum, starts from a magnitude spectrum. The filter bank is
kept as it is, which saves a third of a step; all the rest is trained, and the result is a plain
``Wav2Vec2ForSequenceClassification``.

With ``feat_extract_norm="layer"`` no statistic crosses frames, so a zero-padded window with its
attention mask scores exactly as the shorter waveform alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import Wav2Vec2ForSequenceClassification

PHASES = 3


@dataclass(frozen=True)
class NetworkOptions:
    """Sizes of the compact Wav2Vec2; the first ``conv_channels`` is ``PHASES`` times the bands."""

    conv_channels: tuple[int, ...] = (288, 128, 160, 160)
    conv_taps: tuple[int, ...] = (400, 1, 3, 3)
    conv_strides: tuple[int, ...] = (200, 1, 2, 2)
    hidden: int = 160
    layers: int = 3
    heads: int = 4
    feed_forward: int = 320
    position_taps: int = 15
    position_groups: int = 8
    pooled: int = 128
    dropout: float = 0.1
    frozen_filter_bank: bool = True

    @property
    def bands(self) -> int:
        """Bands of the filter bank."""
        return self.conv_channels[0] // PHASES


def build_network(options: NetworkOptions) -> Wav2Vec2ForSequenceClassification:
    """A new network: filter bank set, the rest random (from torch's global generator)."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

    make_config: Any = Wav2Vec2Config
    config = make_config(
        hidden_size=options.hidden,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        intermediate_size=options.feed_forward,
        hidden_dropout=options.dropout,
        activation_dropout=0.0,
        attention_dropout=0.0,
        feat_proj_dropout=0.0,
        final_dropout=options.dropout,
        layerdrop=0.0,
        feat_extract_norm="layer",
        conv_bias=True,
        conv_dim=options.conv_channels,
        conv_kernel=options.conv_taps,
        conv_stride=options.conv_strides,
        num_feat_extract_layers=len(options.conv_channels),
        num_conv_pos_embeddings=options.position_taps,
        num_conv_pos_embedding_groups=options.position_groups,
        do_stable_layer_norm=True,
        apply_spec_augment=False,
        mask_time_prob=0.0,
        mask_feature_prob=0.0,
        classifier_proj_size=options.pooled,
        use_weighted_layer_sum=False,
        num_labels=2,
        id2label={0: "bonafide", 1: "spoof"},
        label2id={"bonafide": 0, "spoof": 1},
    )
    model = Wav2Vec2ForSequenceClassification(config)
    layers: Any = model.wav2vec2.feature_extractor.conv_layers
    first, second = layers[0], layers[1]
    with torch.no_grad():
        first.conv.weight.copy_(filter_bank(options.bands, options.conv_taps[0]).unsqueeze(1))
        first.conv.bias.zero_()
        # Gain before GELU: strong bands are rectified, weak ones squared.
        first.layer_norm.weight.fill_(4.0)
        if options.conv_taps[1] == 1:
            second.conv.weight.copy_(_band_sum(options.bands, options.conv_channels[1]))
            second.conv.bias.zero_()
    if options.frozen_filter_bank:
        first.requires_grad_(False)
        # Otherwise the extractor asks for a gradient of the waveform, and with it of this layer,
        # a third of the cost of a step.
        model.wav2vec2.feature_extractor._requires_grad = False
    return model


def filter_bank(bands: int, taps: int, sample_rate_hz: int = 16_000) -> torch.Tensor:
    """Hann-windowed sinusoids (PHASES * bands, taps), phases of one band side by side.

    Bands are spaced evenly from 50 Hz to 60 Hz below the Nyquist frequency; higher bands are
    raised by up to 20 dB, as speech falls.
    """
    centres = torch.linspace(50.0, sample_rate_hz / 2 - 60.0, bands)
    time = (torch.arange(taps) - (taps - 1) / 2) / sample_rate_hz
    window = torch.hann_window(taps, periodic=False)
    rows = []
    for phase in range(PHASES):
        offset = 2 * math.pi * phase / PHASES
        rows.append(torch.cos(2 * math.pi * centres[:, None] * time + offset))
    waves = torch.stack(rows, dim=1).reshape(bands * PHASES, taps) * window
    waves = waves - waves.mean(dim=1, keepdim=True) * window / window.mean()
    gain = (1 + (centres / 800.0) ** 2).sqrt().clamp(max=10.0).repeat_interleave(PHASES)
    bank: torch.Tensor = waves / waves.norm(dim=1, keepdim=True) * gain[:, None]
    return bank


def _band_sum(bands: int, channels: int) -> torch.Tensor:
    """Weights (channels, PHASES * bands, 1): each band's phases summed, then random mixtures."""
    weight = torch.randn(channels, PHASES * bands, 1) * (0.3 / math.sqrt(PHASES * bands))
    for band in range(min(bands, channels)):
        weight[band, PHASES * band : PHASES * (band + 1)] += 1.0
    for extra in range(bands, channels):
        # The remaining channels compare neighbouring bands.
        band = (extra - bands) * (bands - 1) // max(1, channels - bands)
        weight[extra, PHASES * band : PHASES * (band + 1)] += 1.0
        weight[extra, PHASES * (band + 1) : PHASES * (band + 2)] -= 1.0
    return weight
