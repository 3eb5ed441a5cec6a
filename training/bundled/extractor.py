"""The bundled network's feature extractor in the form it is trained in: a CNN on a spectrogram.

A Wav2Vec2's convolutions mix all bands freely. Learnt from a few hours of speech they find the
channels of the sources long before they find synthesis; a two-dimensional convolution, which uses
one small pattern at all frequencies, learns ten times more from a clip. Here the patterns are
shared while training; ``dfd.training.bundled.unroll`` writes them out as the plain one-dimensional
convolutions of the transformers format, which give the same numbers.

Three steps, each of which a Wav2Vec2 layer can express:

1. Windowed sinusoids on a mel scale, three phases 120 degrees apart for each band. GELU at a
   high gain rectifies them, and the sum of the three half-waves is nearly constant over a
   period: the magnitude of the band.
2. A few GELUs per band, whose weighted sum follows the logarithm of the magnitude.
3. Two-dimensional convolutions over band and time with batch normalisation and GELU.

The first two are fixed. Statistics of batch normalisation are constants when scoring, so no
frame of a scored window depends on frames outside its receptive field.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

SAMPLE_RATE_HZ = 16_000
PHASES = 3
RECTIFIER_GAIN = 1000.0
# Two channels of every unrolled layer carry no signal: see ``dfd.training.bundled.unroll``.
SPARE_CHANNELS = 2


@dataclass(frozen=True)
class PlaneConvolution:
    """A convolution over bands and frames: ``maps`` outputs, taps and strides."""

    maps: int
    band_taps: int = 3
    frame_taps: int = 3
    band_stride: int = 1
    frame_stride: int = 1


@dataclass(frozen=True)
class ExtractorOptions:
    """Sizes of the extractor, and what befalls its spectrogram in training.

    Frames leave it every ``hop_samples`` times the frame strides. Chances are per clip:
    of a masked range of at most ``band_mask_width`` bands, and of trading part of each band's
    mean and deviation with another clip of the batch.
    """

    bands: int = 64
    taps: int = 400
    hop_samples: int = 200
    lowest_hz: float = 60.0
    highest_hz: float = 7600.0
    knots: int = 4
    floor: float = 2e-3
    band_mask_chance: float = 0.5
    band_mask_width: int = 12
    style_mix_chance: float = 0.5
    style_mix_alpha: float = 0.3
    planes: tuple[PlaneConvolution, ...] = (
        PlaneConvolution(8, 5, 3, 2, 2),
        PlaneConvolution(16, 3, 3, 2, 2),
        PlaneConvolution(32, 3, 3, 2, 1),
        PlaneConvolution(32, 3, 3, 1, 1),
    )

    @property
    def plane_bands(self) -> list[int]:
        """Bands before the first plane convolution and after each."""
        bands = [self.bands]
        for plane in self.planes:
            padded = bands[-1] + 2 * (plane.band_taps // 2)
            bands.append((padded - plane.band_taps) // plane.band_stride + 1)
        return bands

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each layer when unrolled, spare ones included."""
        signal = [PHASES * self.bands, self.knots * self.bands]
        signal += [p.maps * b for p, b in zip(self.planes, self.plane_bands[1:], strict=True)]
        return tuple(count + SPARE_CHANNELS for count in signal)

    @property
    def kernels(self) -> tuple[int, ...]:
        """Taps over time of each unrolled layer."""
        return (self.taps, 1, *(plane.frame_taps for plane in self.planes))

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides over time of each unrolled layer."""
        return (self.hop_samples, 1, *(plane.frame_stride for plane in self.planes))


@dataclass(frozen=True)
class Compression:
    """``weights @ gelu(gains * magnitude + offset) + constant``, near a scaled logarithm."""

    gains: Tensor
    offset: float
    weights: Tensor
    constant: float


def filter_bank(options: ExtractorOptions) -> Tensor:
    """Hann-windowed sinusoids (PHASES * bands, taps) of unit norm, phases of a band side by side.

    Centres are even on the mel scale; a window is as long as its band's width asks, at most
    ``taps``.
    """
    mel = torch.linspace(_mel(options.lowest_hz), _mel(options.highest_hz), options.bands + 2)
    edges = 700 * (torch.exp(mel / 1127) - 1)
    centres, widths = edges[1:-1], (edges[2:] - edges[:-2]) / 2
    spans = (2 * SAMPLE_RATE_HZ / widths).clamp(128, options.taps)
    time = torch.arange(options.taps) - (options.taps - 1) / 2
    inside = (time.abs() < spans[:, None] / 2).float()
    window = inside * (0.5 + 0.5 * torch.cos(2 * math.pi * time / spans[:, None]))
    waves = []
    for phase in range(PHASES):
        turn = 2 * math.pi * (centres[:, None] * time / SAMPLE_RATE_HZ + phase / PHASES)
        waves.append(window * torch.cos(turn))
    bank = torch.stack(waves, dim=1)
    # No band hears a constant.
    bank = bank - bank.sum(2, keepdim=True) * (window / window.sum(1, keepdim=True))[:, None]
    bank = bank - bank.mean(1, keepdim=True)
    bank = bank / bank.norm(dim=2, keepdim=True)
    rows: Tensor = bank.reshape(-1, options.taps)
    return rows


def compression(knots: int, floor: float, loudest: float = 20.0) -> Compression:
    """The least-squares fit to ``(log(magnitude + floor) + 2) / 2`` up to ``loudest``."""
    gains = torch.exp(torch.linspace(math.log(1.2 / floor), math.log(8 / loudest), knots).double())
    offset = -1.0
    magnitude = torch.exp(
        torch.linspace(math.log(floor / 10), math.log(loudest), 2000, dtype=torch.float64)
    )
    target = (torch.log(magnitude + floor) + 2) / 2
    knees = gelu(magnitude[:, None] * gains + offset)
    terms = torch.cat([knees, torch.ones_like(knees[:, :1])], dim=1)
    fitted = torch.linalg.lstsq(terms, target[:, None]).solution[:, 0]
    return Compression(gains.float(), offset, fitted[:-1].float(), float(fitted[-1]))


class TiedExtractor(nn.Module):
    """Waveforms float32 (B, N), unit variance, to features (B, channels, frames).

    Stands in for transformers' ``Wav2Vec2FeatureEncoder``; the last ``SPARE_CHANNELS`` features
    are zero, as they are in the unrolled network.
    """

    def __init__(self, options: ExtractorOptions) -> None:
        super().__init__()
        self.options = options
        self.register_buffer("filters", filter_bank(options).unsqueeze(1))
        curve = compression(options.knots, options.floor)
        self.offset, self.constant = curve.offset, curve.constant
        self.register_buffer("gains", curve.gains)
        self.register_buffer("weights", curve.weights)
        self.planes = nn.ModuleList()
        self.norms = nn.ModuleList()
        before = 1
        for plane in options.planes:
            made = nn.Conv2d(
                before,
                plane.maps,
                (plane.band_taps, plane.frame_taps),
                (plane.band_stride, plane.frame_stride),
                padding=(plane.band_taps // 2, 0),
                bias=False,
            )
            self.planes.append(made)
            self.norms.append(nn.BatchNorm2d(plane.maps))
            before = plane.maps

    def forward(self, waves: Tensor) -> Tensor:
        """Features (B, channels, frames)."""
        x = self.spectrogram(waves)
        if self.training:
            x = self._masked(self._restyled(x))
        x = x.unsqueeze(1)
        for plane, norm in zip(self.planes, self.norms, strict=True):
            x = gelu(norm(plane(x)))
        return nn.functional.pad(x.flatten(1, 2), (0, 0, 0, SPARE_CHANNELS))

    @torch.no_grad()
    def spectrogram(self, waves: Tensor) -> Tensor:
        """Compressed magnitudes (B, bands, frames), about -2 to 3."""
        filters: Any = self.filters
        gains: Any = self.gains
        weights: Any = self.weights
        hop = self.options.hop_samples
        phases = nn.functional.conv1d(waves.unsqueeze(1), filters, stride=hop)
        halves = gelu(phases.mul_(RECTIFIER_GAIN))
        halves = halves.view(len(waves), -1, PHASES, halves.shape[2])
        magnitude = halves.sum(2).div_(RECTIFIER_GAIN)
        total = torch.full_like(magnitude, self.constant)
        for gain, weight in zip(gains, weights, strict=True):
            total += weight * gelu(magnitude * gain + self.offset)
        return total

    def _restyled(self, x: Tensor) -> Tensor:
        """Mixes every band's mean and deviation over time with those of another clip.

        Both tell more of microphone and room than of the voice. After MixStyle (Zhou et al.
        2021) over frequency instead of channels (Kim et al. 2022).
        """
        count = len(x)
        mean, deviation = x.mean(2, keepdim=True), x.std(2, keepdim=True) + 1e-3
        alpha = torch.full((count, 1, 1), self.options.style_mix_alpha, device=x.device)
        keep = torch.distributions.Beta(alpha, alpha).sample()
        keep = torch.where(_drawn(x, self.options.style_mix_chance), keep, 1.0)
        other = torch.randperm(count, device=x.device)
        new_mean = keep * mean + (1 - keep) * mean[other]
        new_deviation = keep * deviation + (1 - keep) * deviation[other]
        return (x - mean) / deviation * new_deviation + new_mean

    def _masked(self, x: Tensor) -> Tensor:
        """Zeroes, which is near the mean, one range of bands."""
        count, bands, _ = x.shape
        width = torch.rand(count, 1, 1, device=x.device) * self.options.band_mask_width
        start = torch.rand(count, 1, 1, device=x.device) * bands
        band = torch.arange(bands, device=x.device)[:, None]
        inside = (band >= start) & (band < start + width)
        return x.masked_fill(inside & _drawn(x, self.options.band_mask_chance), 0.0)


def _drawn(x: Tensor, chance: float) -> Tensor:
    return torch.rand(len(x), 1, 1, device=x.device) < chance


def _mel(hertz: float) -> float:
    return 1127 * math.log1p(hertz / 700)
