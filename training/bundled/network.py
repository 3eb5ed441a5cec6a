"""The bundled detector's network as it is trained: a fixed spectrogram and a light CNN.

`dfd.training.bundled.unroll` writes it out as a Wav2Vec2 with a light CNN behind it. Batch
normalisation has no statistics of its own when scoring, so a zero-padded window scores exactly
as the shorter waveform alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, max_pool2d

from dfd.detector.networks.light_cnn import STATISTICS, VARIANCE_FLOOR, Branch, Stage
from dfd.detector.networks.spectrogram import SPARE_FEATURES, Spectrogram, SpectrogramOptions
from dfd.training.material.augment import normalise

SMALL = Branch(
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
WIDE = Branch(
    (
        Stage(16, 5, 5, frame_pool=2, feature_pool=2),
        Stage(16, 1, 1),
        Stage(40, 3, 3, frame_pool=2, feature_pool=2),
        Stage(40, 1, 1),
        Stage(80, 3, 3, frame_pool=2, feature_pool=2),
        Stage(80, 1, 1),
        Stage(112, 3, 3, frame_pool=2, feature_pool=2),
        Stage(128, 3, 3),
    ),
    pooling=STATISTICS,
)


@dataclass(frozen=True)
class NetworkOptions:
    """Sizes of the spectrogram and the CNN, and how the spectrogram is altered in training.

    Chances are per clip, or per hop if `hop_samples` cuts a clip into hops that are normalised one
    by one: the chances to mask at most `band_mask_width` bands, to mask at most `frame_mask_width`
    frames, and to mix each band's mean and deviation with those of another clip of the batch.
    """

    spectrogram: SpectrogramOptions = field(default_factory=SpectrogramOptions)
    branch: Branch = SMALL
    hop_samples: int = 0
    band_mask_chance: float = 0.5
    band_mask_width: int = 24
    frame_mask_chance: float = 0.0
    frame_mask_width: int = 40
    style_mix_chance: float = 0.25
    style_mix_alpha: float = 0.3
    dropout: float = 0.3


class RisingNorm(nn.BatchNorm2d):
    """Batch normalisation whose gain is never negative, so that it may come before max pooling."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalises maps (B, C, H, W)."""
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
    """Takes windows of any level to spoof log-odds."""

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__()
        self.options = options
        self.spectrogram = Spectrogram(options.spectrogram)
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        branch, maps = options.branch, 1
        for stage in branch.stages:
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
        self.by_frame = branch.pooling == STATISTICS
        features = branch.features(options.spectrogram.features)
        self.projector = nn.Linear(maps * features, branch.projected)
        self.classifier = nn.Linear(branch.projected * (2 if self.by_frame else 1), 2)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, windows: Tensor, lengths: Tensor) -> Tensor:
        """Takes windows (B, N), of which `lengths` (B,) samples count, to spoof log-odds (B,)."""
        device = self.classifier.weight.device
        windows, lengths = windows.to(device), lengths.to(device)
        hop = self.options.hop_samples or windows.shape[1]
        parts = -(-windows.shape[1] // hop)
        hops = nn.functional.pad(windows, [0, parts * hop - windows.shape[1]]).view(-1, hop)
        starts = torch.arange(parts, device=device) * hop
        counts = (lengths.unsqueeze(1) - starts).clamp(0, hop).view(-1)
        with torch.no_grad():
            x = self.spectrogram(normalise(hops, counts))
        if self.training:
            x = self._masked(self._restyled(x))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            x, frames = self._maps(x, counts)
        return self._odds(x.float(), frames, len(windows))

    def _maps(self, x: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the last stage's frames (M, T, D) of spectrograms, and how many count (M,)."""
        spectrogram = self.options.spectrogram
        frames = (counts - spectrogram.taps) // spectrogram.hop_samples + 1
        # One map; created like this it is in channels-last format, twice as fast on a CPU.
        x = x.unsqueeze(3).permute(0, 3, 1, 2)
        for stage, convolution, norm in zip(
            self.options.branch.stages, self.convolutions, self.norms, strict=True
        ):
            pool = (stage.frame_pool, stage.feature_pool)
            x = convolution(x)
            x = gelu(norm(max_pool2d(x, pool) if max(pool) > 1 else x))
            frames = ((frames - stage.frame_taps) // stage.frame_stride + 1) // stage.frame_pool
        return x.permute(0, 2, 3, 1).flatten(2), frames.clamp(min=0)

    def _odds(self, x: Tensor, frames: Tensor, clips: int) -> Tensor:
        """Joins what was found in the hops of each clip."""
        places = torch.arange(x.shape[1], device=x.device)
        valid = (places < frames.unsqueeze(1)).unsqueeze(2)
        if self.by_frame:
            x = gelu(self.projector(self.dropout(x)))
            x = torch.cat([x, x * x], dim=2)
        total = frames.view(clips, -1).sum(1, keepdim=True).clamp(min=1)
        mean = (x * valid).sum(1).view(clips, -1, x.shape[2]).sum(1) / total
        if self.by_frame:
            level, square = mean.chunk(2, dim=1)
            spread = (square - level * level).clamp(min=VARIANCE_FLOOR).sqrt()
            hidden = torch.cat([level, spread], dim=1)
        else:
            hidden = gelu(self.projector(self.dropout(mean)))
        logits: Any = self.classifier(self.dropout(hidden))
        odds: Tensor = logits[:, 1] - logits[:, 0]
        return odds

    def _restyled(self, x: Tensor) -> Tensor:
        """Mixes every band's mean and deviation over time with those of another clip.

        Both tell more about microphone and room than about the voice. After MixStyle (Zhou et al.
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
        """Sets one range of bands, and one of frames, to the clip's mean."""
        options, bands = self.options, x.shape[2] - SPARE_FEATURES
        mean = x[:, :, :bands].mean((1, 2), keepdim=True)
        band = torch.arange(x.shape[2], device=x.device)
        inside = _stretch(x, band, bands, options.band_mask_width) & (band < bands)
        x = torch.where(inside & _drawn(x, options.band_mask_chance), mean, x)
        if options.frame_mask_chance == 0:
            return x
        frame = torch.arange(x.shape[1], device=x.device).unsqueeze(1)
        inside = _stretch(x, frame, x.shape[1], options.frame_mask_width) & (band < bands)
        return torch.where(inside & _drawn(x, options.frame_mask_chance), mean, x)


def _stretch(x: Tensor, places: Tensor, count: int, widest: int) -> Tensor:
    """Draws a range of at most `widest` of `count` places for each clip; True inside it."""
    width = torch.rand(len(x), 1, 1, device=x.device) * widest
    start = torch.rand(len(x), 1, 1, device=x.device) * count
    return (places >= start) & (places < start + width)


def _drawn(x: Tensor, chance: float) -> Tensor:
    return torch.rand(len(x), 1, 1, device=x.device) < chance
