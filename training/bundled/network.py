"""The bundled detector's network as it is trained: a fixed spectrogram and a light CNN.

``dfd.training.bundled.unroll`` writes it out as a Wav2Vec2 with a light CNN behind it. Batch
normalisation has no statistics of its own when scoring, so a zero-padded window scores exactly
as the shorter waveform alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, max_pool2d

from dfd.detector.networks.head import mean_frame
from dfd.detector.networks.light_cnn import LightCnnConfig, Stage
from dfd.detector.networks.spectrogram import SPARE_FEATURES, Spectrogram, SpectrogramOptions
from dfd.training.material.augment import normalise


@dataclass(frozen=True)
class NetworkOptions:
    """Sizes of the spectrogram and the CNN, and what befalls the spectrogram in training.

    Chances are per clip: of a masked range of at most ``band_mask_width`` bands, and of trading
    part of each band's mean and deviation with another clip of the batch.
    """

    spectrogram: SpectrogramOptions = field(default_factory=SpectrogramOptions)
    light_cnn: LightCnnConfig = field(
        default_factory=lambda: LightCnnConfig(
            (
                Stage(16, 5, 5, frame_stride=2, feature_pool=2),
                Stage(16, 1, 1),
                Stage(24, 3, 3, frame_pool=2, feature_pool=2),
                Stage(24, 1, 1),
                Stage(32, 3, 3, frame_pool=2, feature_pool=2),
                Stage(32, 1, 1),
                Stage(32, 3, 3),
            )
        )
    )
    band_mask_chance: float = 0.5
    band_mask_width: int = 24
    style_mix_chance: float = 0.25
    style_mix_alpha: float = 0.3
    dropout: float = 0.3


class RisingNorm(nn.BatchNorm2d):
    """Batch normalisation whose gain is never negative: it may be applied before max pooling."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalised maps (B, C, H, W)."""
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        return nn.functional.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight.abs(),
            self.bias,
            self.training,
            0.1 if self.momentum is None else self.momentum,
            self.eps,
        )


class Network(nn.Module):
    """Windows of any level to spoof log-odds."""

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__()
        self.options = options
        self.spectrogram = Spectrogram(options.spectrogram)
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        maps = 1
        for stage in options.light_cnn.stages:
            convolution: Any = nn.Conv2d(
                maps,
                stage.maps,
                (stage.frame_taps, stage.feature_taps),
                (stage.frame_stride, 1),
                padding=(0, stage.feature_taps // 2),
                bias=False,
            )
            self.convolutions.append(convolution.to(memory_format=torch.channels_last))
            self.norms.append(RisingNorm(stage.maps))
            maps = stage.maps
        features = options.light_cnn.features(options.spectrogram.features)
        self.projector = nn.Linear(maps * features, options.light_cnn.projected)
        self.classifier = nn.Linear(options.light_cnn.projected, 2)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, windows: Tensor, lengths: Tensor) -> Tensor:
        """Spoof log-odds (B,) of windows (B, N) of which ``lengths`` (B,) samples count."""
        device = self.classifier.weight.device
        windows, lengths = windows.to(device), lengths.to(device)
        with torch.no_grad():
            x = self.spectrogram(normalise(windows, lengths))
        spectrogram = self.options.spectrogram
        count = (lengths - spectrogram.taps) // spectrogram.hop_samples + 1
        if self.training:
            x = self._masked(self._restyled(x))
        # One map; made like this it counts as channels last, which is twice as fast on a CPU.
        x = x.unsqueeze(3).permute(0, 3, 1, 2)
        for stage, convolution, norm in zip(
            self.options.light_cnn.stages, self.convolutions, self.norms, strict=True
        ):
            pool = (stage.frame_pool, stage.feature_pool)
            x = convolution(x)
            x = gelu(norm(max_pool2d(x, pool) if max(pool) > 1 else x))
            count = ((count - stage.frame_taps) // stage.frame_stride + 1) // stage.frame_pool
        mean = mean_frame(x.permute(0, 2, 3, 1).flatten(2), count)
        hidden = self.dropout(gelu(self.projector(self.dropout(mean))))
        logits: Any = self.classifier(hidden)
        odds: Tensor = logits[:, 1] - logits[:, 0]
        return odds

    def _restyled(self, x: Tensor) -> Tensor:
        """Mixes every band's mean and deviation over time with those of another clip.

        Both tell more of microphone and room than of the voice. After MixStyle (Zhou et al.
        2021) over frequency instead of channels (Kim et al. 2022).
        """
        count = len(x)
        mean, deviation = x.mean(1, keepdim=True), x.std(1, keepdim=True) + 1e-3
        alpha = torch.full((count, 1, 1), self.options.style_mix_alpha, device=x.device)
        keep = torch.distributions.Beta(alpha, alpha).sample()
        keep = torch.where(_drawn(x, self.options.style_mix_chance), keep, 1.0)
        other = torch.randperm(count, device=x.device)
        new_mean = keep * mean + (1 - keep) * mean[other]
        new_deviation = keep * deviation + (1 - keep) * deviation[other]
        return (x - mean) / deviation * new_deviation + new_mean

    def _masked(self, x: Tensor) -> Tensor:
        """Brings one range of bands to the clip's mean."""
        count, _, features = x.shape
        bands = features - SPARE_FEATURES
        width = torch.rand(count, 1, 1, device=x.device) * self.options.band_mask_width
        start = torch.rand(count, 1, 1, device=x.device) * bands
        band = torch.arange(features, device=x.device)
        inside = (band >= start) & (band < start + width) & (band < bands)
        mean = x[:, :, :bands].mean((1, 2), keepdim=True)
        return torch.where(inside & _drawn(x, self.options.band_mask_chance), mean, x)


def _drawn(x: Tensor, chance: float) -> Tensor:
    return torch.rand(len(x), 1, 1, device=x.device) < chance
