"""The bundled network's fixed front: a spectrogram that a Wav2Vec2's convolutions can compute.

1. Windowed sinusoids, evenly spaced in frequency, three phases 120 degrees apart for each band.
   GELU at a high gain rectifies them, and the sum of the three half-waves is nearly constant over
   a period: the magnitude of the band.
2. A few GELUs per band, whose weighted sum follows the logarithm of the magnitude.

``dfd.training.bundled.unroll`` writes it out as the convolutions of the transformers format.
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
# So many features of every unrolled layer carry no signal: see ``dfd.training.bundled.unroll``.
SPARE_FEATURES = 3


@dataclass(frozen=True)
class SpectrogramOptions:
    """Sizes of the spectrogram: ``bands`` of windows of ``taps`` samples, ``hop_samples`` apart.

    ``knots`` GELUs of a band follow ``log(magnitude + floor)``, where the waveform has unit
    variance and a filter unit norm.
    """

    bands: int = 125
    taps: int = 400
    hop_samples: int = 200
    lowest_hz: float = 80.0
    highest_hz: float = 7740.0
    knots: int = 4
    floor: float = 2e-3

    @property
    def features(self) -> int:
        """Bands, and the spare ones."""
        return self.bands + SPARE_FEATURES


@dataclass(frozen=True)
class Compression:
    """``weights @ gelu(gains * magnitude + offset) + constant``, near a scaled logarithm."""

    gains: Tensor
    offset: float
    weights: Tensor
    constant: float


def filter_bank(options: SpectrogramOptions) -> Tensor:
    """Hann-windowed sinusoids (PHASES * bands, taps) of unit norm; a band's phases lie together."""
    centres = torch.linspace(options.lowest_hz, options.highest_hz, options.bands)
    time = torch.arange(options.taps) - (options.taps - 1) / 2
    window = 0.5 + 0.5 * torch.cos(2 * math.pi * time / options.taps)
    waves = []
    for phase in range(PHASES):
        turn = 2 * math.pi * (centres[:, None] * time / SAMPLE_RATE_HZ + phase / PHASES)
        waves.append(window * torch.cos(turn))
    bank = torch.stack(waves, dim=1)
    # No band hears a constant.
    bank = bank - bank.sum(2, keepdim=True) * (window / window.sum())
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


class Spectrogram(nn.Module):
    """Waveforms float32 (B, N), unit variance, to compressed magnitudes (B, frames, features).

    They lie between -2 and 3; the last ``SPARE_FEATURES`` are zero, as they are in the
    unrolled network. Nothing in it is learnt.
    """

    def __init__(self, options: SpectrogramOptions) -> None:
        super().__init__()
        self.options = options
        self.register_buffer("filters", filter_bank(options).unsqueeze(1), persistent=False)
        curve = compression(options.knots, options.floor)
        self.offset, self.constant = curve.offset, curve.constant
        self.register_buffer("gains", curve.gains, persistent=False)
        self.register_buffer("weights", curve.weights, persistent=False)

    @torch.no_grad()
    def forward(self, waves: Tensor) -> Tensor:
        """Compressed magnitudes (B, frames, features)."""
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
        return nn.functional.pad(total.transpose(1, 2), (0, SPARE_FEATURES))
