"""Convolutions of a Wav2Vec2 that compute a spectrogram, as those of the bundled detector do.

1. Windowed sinusoids, evenly spaced in frequency, with three phases 120 degrees apart for each
   band. GELU at a high gain rectifies them, and the sum of the three half-waves is nearly constant
   over a period: it is the magnitude of the band.
2. A few GELUs per band, whose weighted sum approximates the logarithm of the magnitude.

`dfd.training.bundled.unroll` writes them out as convolutions of the transformers format, most of
whose weights are zero. If a model's config.json says that its convolutions are of this kind, they
are replaced by the direct computation here.
"""

import math
from dataclasses import dataclass
from typing import Optional

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from dfd.detector.jsonfile import Fields

SAMPLE_RATE_HZ = 16_000
PHASES = 3
RECTIFIER_GAIN = 1000.0
# Features of every unrolled layer that carry no signal: a balance, which makes the sum over
# features constant, and two references above and below it.
SPARE_FEATURES = 3
# Added to values that must pass a GELU unchanged, for which they have to be large and positive; a
# power of two.
LIFT = 2.0**12
CONFIG_KEY = "spectrogram"


@dataclass(frozen=True)
class SpectrogramOptions:
    """The sizes of a spectrogram: `bands` of windows of `taps` samples, `hop_samples` apart.

    `knots` GELUs per band approximate `log(magnitude + floor)`, for waveforms of unit variance and
    filters of unit norm.
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
        """Number of features: the bands and the spare ones."""
        return self.bands + SPARE_FEATURES


@dataclass(frozen=True)
class Compression:
    """An approximation of a scaled log: `weights @ gelu(gains * magnitude + offset) + constant`."""

    gains: Tensor
    offset: float
    weights: Tensor
    constant: float


def filter_bank(options: SpectrogramOptions) -> Tensor:
    """Returns Hann-windowed sinusoids (PHASES * bands, taps) of unit norm, band by band."""
    centres = torch.linspace(options.lowest_hz, options.highest_hz, options.bands)
    time = torch.arange(options.taps) - (options.taps - 1) / 2
    window = 0.5 + 0.5 * torch.cos(2 * math.pi * time / options.taps)
    waves = []
    for phase in range(PHASES):
        turn = 2 * math.pi * (centres[:, None] * time / SAMPLE_RATE_HZ + phase / PHASES)
        waves.append(window * torch.cos(turn))
    bank = torch.stack(waves, dim=1)
    # no band responds to a constant
    bank = bank - bank.sum(2, keepdim=True) * (window / window.sum())
    bank = bank - bank.mean(1, keepdim=True)
    bank = bank / bank.norm(dim=2, keepdim=True)
    rows: Tensor = bank.reshape(-1, options.taps)
    return rows


def compression(knots: int, floor: float, loudest: float = 20.0) -> Compression:
    """Fits `(log(magnitude + floor) + 2) / 2` up to `loudest`, by least squares."""
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
    """Takes waveforms (B, N) of unit variance to compressed magnitudes (B, frames, features).

    These are between -2 and 3; the last `SPARE_FEATURES` are zero. Nothing is learnt.

    The first phase of a band is symmetric, so it needs only the sums of the samples on both sides
    of the middle. The second is a multiple of the first and an antisymmetric part, which needs only
    their differences, and the third follows from the other two: a third of the products.
    """

    symmetric: Tensor
    antisymmetric: Tensor
    second: Tensor
    third: Tensor

    def __init__(self, options: SpectrogramOptions) -> None:
        super().__init__()
        self.options = options
        # TorchScript reads attributes, not globals
        self.taps, self.hop = options.taps, options.hop_samples
        self.spare = SPARE_FEATURES
        bank = filter_bank(options).view(options.bands, PHASES, options.taps) * RECTIFIER_GAIN
        # the second half of the window, with a middle sample that both halves have if taps are odd
        self.reach = (options.taps + 1) // 2
        even = (0.5 * (bank + bank.flip(2)))[:, :, -self.reach :]
        odd = (0.5 * (bank - bank.flip(2)))[:, :, -self.reach :]
        if options.taps % 2:
            even[:, :, 0] *= 0.5
        second = (even[:, 1] * even[:, 0]).sum(1) / (even[:, 0] * even[:, 0]).sum(1)
        self.register_buffer("symmetric", even[:, 0].contiguous(), persistent=False)
        self.register_buffer("antisymmetric", odd[:, 1].contiguous(), persistent=False)
        self.register_buffer("second", second, persistent=False)
        # the third phase of each band as a combination of the first two: (2, bands)
        phases = bank.double().transpose(1, 2)
        third = torch.linalg.lstsq(phases[:, :, :2], phases[:, :, 2:]).solution[:, :, 0]
        self.register_buffer("third", third.t().float().contiguous(), persistent=False)
        curve = compression(options.knots, options.floor)
        self.offset, self.constant = curve.offset, curve.constant
        self.gains: list[float] = (curve.gains / RECTIFIER_GAIN).tolist()
        self.weights: list[float] = curve.weights.tolist()

    def forward(self, waves: Tensor) -> Tensor:
        """Returns compressed magnitudes (B, frames, features)."""
        return nn.functional.pad(self.bands(waves), [0, self.spare])

    @torch.jit.export
    def bands(self, waves: Tensor) -> Tensor:
        """Returns compressed magnitudes (B, frames, bands)."""
        samples = waves.size(1)
        frames = (samples - self.taps) // self.hop + 1
        rows = nn.functional.pad(waves, [0, max(0, self.taps - samples)])
        rows = rows.unfold(1, self.taps, self.hop)[:, :frames]
        after, before = rows[:, :, -self.reach :], rows[:, :, : self.reach].flip(2)
        first = nn.functional.linear(after + before, self.symmetric)
        second = nn.functional.linear(after - before, self.antisymmetric)
        second = second.addcmul_(first, self.second)
        magnitude = gelu(first).add_(gelu(second))
        magnitude = magnitude.add_(gelu(first * self.third[0] + second * self.third[1]))
        total = torch.full_like(magnitude, self.constant)
        for gain, weight in zip(self.gains, self.weights):  # noqa: B905 - TorchScript
            total = total.add(gelu(magnitude.mul(gain).add_(self.offset)), alpha=weight)
        return total


class SpectrogramExtractor(nn.Module):
    """Replaces the convolutions as which `Spectrogram` was written out.

    It has the interface of torchaudio's `FeatureExtractor`.
    """

    def __init__(self, options: SpectrogramOptions) -> None:
        super().__init__()
        self.spectrogram = Spectrogram(options)
        self.stride = options.hop_samples
        self.lift = LIFT

    def forward(
        self,
        x: Tensor,
        lengths: Optional[Tensor],  # noqa: UP045 - TorchScript
    ) -> tuple[Tensor, Optional[Tensor]]:  # noqa: UP045
        """Takes samples (B, N) to frames (B, T, C)."""
        bands = self.spectrogram.bands(x)
        balance = -bands.sum(dim=2, keepdim=True)
        spare = torch.zeros_like(balance)
        references = [spare + self.lift, spare - self.lift]
        return torch.cat([bands, balance, references[0], references[1]], dim=2) + self.lift, None


def read_spectrogram(fields: Fields) -> SpectrogramOptions | None:
    """Reads the spectrogram's part of config.json; None if there is none.

    Raises:
        UserError: if it does not have the expected form.
    """
    if fields.content.get(CONFIG_KEY) is None:
        return None
    found, usual = fields.nested(CONFIG_KEY), SpectrogramOptions()
    half = SAMPLE_RATE_HZ / 2
    return SpectrogramOptions(
        bands=found.integer("bands", usual.bands, 1),
        taps=found.integer("taps", usual.taps, 2),
        hop_samples=found.integer("hop_samples", usual.hop_samples, 1),
        lowest_hz=found.number("lowest_hz", usual.lowest_hz, 1.0, half),
        highest_hz=found.number("highest_hz", usual.highest_hz, 1.0, half),
        knots=found.integer("knots", usual.knots, 2),
        floor=found.number("floor", usual.floor, 1e-6, 1.0),
    )
