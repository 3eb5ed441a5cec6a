"""Augments a batch of training waveforms on the fly, both classes alike.

Everything linear (band limits, equalisation, room, coloured noise) happens in one pass through the
frequency domain; the rest is elementwise. Chances are per waveform. The signal-dependent noise
follows RawBoost (Tak et al. 2022); the rest models a telephone path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Surroundings:
    """Recorded `noises` (K, N), and `rooms` (R, taps), which are impulse responses."""

    noises: Tensor
    rooms: Tensor

    def to(self, device: torch.device) -> Surroundings:
        """Returns the same on another device."""
        return Surroundings(self.noises.to(device), self.rooms.to(device))


NOWHERE = Surroundings(torch.zeros(0, 1), torch.zeros(0, 1))


@dataclass(frozen=True)
class AugmentOptions:
    """Chances (0 to 1) and ranges of each augmentation.

    Measured noises and rooms are those of `Surroundings`; the others are synthetic.
    """

    narrow_band_chance: float = 0.25
    low_pass_chance: float = 0.2
    low_pass_hz: tuple[float, float] = (4500.0, 7800.0)
    equaliser_chance: float = 0.5
    equaliser_db: float = 8.0
    measured_room_chance: float = 0.0
    room_chance: float = 0.15
    room_decay_seconds: tuple[float, float] = (0.05, 0.4)
    measured_noise_chance: float = 0.0
    noise_chance: float = 0.4
    noise_snr_db: tuple[float, float] = (8.0, 40.0)
    impulsive_chance: float = 0.1
    mu_law_chance: float = 0.15
    clip_chance: float = 0.1
    coarse_chance: float = 0.0
    packet_loss_chance: float = 0.1
    mask_chance: float = 0.3
    mask_seconds: float = 0.3


def augment(
    waves: Tensor,
    lengths: Tensor,
    options: AugmentOptions,
    generator: torch.Generator,
    untouched_chance: float = 0.0,
    sample_rate_hz: int = 16_000,
    surroundings: Surroundings = NOWHERE,
    alike: Tensor | None = None,
) -> Tensor:
    """Augments `waves` float32 (B, N), valid up to `lengths` int64 (B,); keeps the shape.

    `generator` is on the device of `waves`. `untouched_chance` is the chance that a waveform is
    left unchanged. Where `alike` bool (B,) is true, a waveform gets the same band limits, equaliser
    and levels as the one before it. The level changes: see `normalise`.
    """
    clean = waves / _rms(waves, lengths)
    chosen = torch.rand(len(waves), generator=generator, device=waves.device) >= untouched_chance
    if alike is not None:
        chosen = torch.where(alike, chosen.roll(1), chosen)
    if not bool(chosen.any()):
        return clean
    made = clean.clone()
    if alike is not None:
        alike = alike[chosen].clone()
        alike[:1] = False
    draws = _Draws(clean[chosen], generator, alike)
    made[chosen] = _augment(
        clean[chosen], lengths[chosen], options, draws, sample_rate_hz, surroundings
    )
    return made


def _augment(
    clean: Tensor,
    lengths: Tensor,
    options: AugmentOptions,
    draws: _Draws,
    rate: int,
    around: Surroundings,
) -> Tensor:
    count = clean.shape[1]
    narrow = draws.chance(options.narrow_band_chance)

    size = count + rate // 4
    size += -size % 1024
    spectrum = torch.fft.rfft(clean, size)
    hertz = torch.linspace(0, rate / 2, spectrum.shape[1], device=clean.device)
    response = _bands(hertz, narrow, options, draws)
    if len(around.noises) and len(rows := draws.rows(options.measured_noise_chance)):
        spectrum[rows] += torch.fft.rfft(_background(rows, count, options, draws, around), size)
    if len(around.rooms) and len(rows := draws.rows(options.measured_room_chance)):
        spectrum[rows] *= torch.fft.rfft(
            around.rooms[draws.below(len(rows), len(around.rooms))], size
        )
    spectrum = spectrum * response
    if len(rows := draws.rows(options.room_chance)):
        spectrum[rows] = spectrum[rows] * _room(size, rows, options, draws, rate)
    if len(rows := draws.rows(options.noise_chance)):
        spectrum[rows] += _noise(hertz, spectrum[rows], response[rows], options, draws)
    mixed = torch.fft.irfft(spectrum, size)[:, :count]
    mixed = mixed / _rms(mixed, lengths)

    rows = draws.rows(options.impulsive_chance)
    sparse = (draws.uniform(len(rows), count) < 0.02) * draws.normal(len(rows), count)
    mixed[rows] = mixed[rows] * (1 + draws.between(0.1, 1.0)[rows] * sparse)
    ceiling = torch.where(draws.chance(options.clip_chance), draws.between(1.0, 3.0), 1e3)
    mixed = mixed.clamp(-ceiling, ceiling)
    rows = draws.rows(options.coarse_chance)
    steps = 2.0 ** draws.between(8.0, 14.0)[rows] / 8
    mixed[rows] = torch.round(mixed[rows] * steps) / steps
    rows = draws.rows(options.mu_law_chance)
    mixed[rows] = _mu_law(mixed[rows], draws.between(4.0, 12.0)[rows])
    mixed = mixed * _lost_packets(count, options, draws, rate)
    mixed = mixed * _time_mask(count, options, draws, rate)
    made: Tensor = mixed * _valid(mixed, lengths)
    return made


def normalise(waves: Tensor, lengths: Tensor) -> Tensor:
    """Scales (B, N) to zero mean and unit variance over the valid samples, and zero elsewhere.

    The same as `Wav2Vec2FeatureExtractor` with `do_normalize`.
    """
    valid = _valid(waves, lengths)
    total = lengths.unsqueeze(1).clamp(min=1)
    mean = (waves * valid).sum(1, keepdim=True) / total
    centred = (waves - mean) * valid
    variance = (centred**2).sum(1, keepdim=True) / total
    return centred / torch.sqrt(variance + 1e-7)


class _Draws:
    """Draws random columns (B, 1) from one generator, on the device of the batch."""

    def __init__(self, waves: Tensor, generator: torch.Generator, alike: Tensor | None) -> None:
        self.batch = waves.shape[0]
        self.device = waves.device
        self.generator = generator
        self.alike = alike

    def uniform(self, *shape: int) -> Tensor:
        drawn = torch.rand(shape, generator=self.generator, device=self.device)
        if self.alike is None or shape != (self.batch, 1):
            return drawn
        return torch.where(self.alike.unsqueeze(1), drawn.roll(1, 0), drawn)

    def below(self, count: int, end: int) -> Tensor:
        """Draws integers (count,) from 0 to `end` - 1."""
        return torch.randint(end, (count,), generator=self.generator, device=self.device)

    def normal(self, *shape: int) -> Tensor:
        drawn = torch.randn(shape, generator=self.generator, device=self.device)
        if self.alike is None or shape != (self.batch, 1):
            return drawn
        return torch.where(self.alike.unsqueeze(1), drawn.roll(1, 0), drawn)

    def between(self, low: float, high: float) -> Tensor:
        return low + (high - low) * self.uniform(self.batch, 1)

    def rows(self, probability: float) -> Tensor:
        """Draws the indices of the waveforms to alter."""
        return self.chance(probability)[:, 0].nonzero()[:, 0]

    def chance(self, probability: float) -> Tensor:
        return self.uniform(self.batch, 1) < probability


def _valid(waves: Tensor, lengths: Tensor) -> Tensor:
    positions = torch.arange(waves.shape[1], device=waves.device)
    return (positions < lengths.unsqueeze(1)).to(waves.dtype)


def _rms(waves: Tensor, lengths: Tensor) -> Tensor:
    power = (waves**2).sum(1, keepdim=True) / lengths.unsqueeze(1).clamp(min=1)
    return power.sqrt().clamp(min=1e-5)


def _slope(hertz: Tensor, edge: Tensor, width: Tensor) -> Tensor:
    """Returns 1 well below `edge` (B, 1), 0 well above it, and a raised cosine in between."""
    position = ((hertz - edge) / width + 0.5).clamp(0, 1)
    return 0.5 + 0.5 * torch.cos(math.pi * position)


def _bands(hertz: Tensor, narrow: Tensor, options: AugmentOptions, draws: _Draws) -> Tensor:
    """Draws band limits and a smooth equaliser, as real gains (B, F)."""
    width = draws.between(50.0, 800.0)
    low_pass = draws.chance(options.low_pass_chance)
    edge = torch.where(low_pass, draws.between(*options.low_pass_hz), 1e5)
    edge = torch.where(narrow, draws.between(3300.0, 4000.0), edge)
    gain = _slope(hertz, edge, width)
    high_edge = torch.where(narrow, draws.between(50.0, 320.0), -1e5)
    gain = gain * (1 - _slope(hertz, high_edge, draws.between(40.0, 150.0)))
    position = hertz / hertz[-1]
    curve = torch.zeros_like(gain)
    for period in (0.5, 1.0, 2.0, 3.0):
        phase = 2 * draws.uniform(draws.batch, 1)
        wave = torch.cos(math.pi * (period * position + phase))
        curve = curve + draws.normal(draws.batch, 1) * wave
    decibel = torch.where(draws.chance(options.equaliser_chance), options.equaliser_db / 2, 0.0)
    return gain * 10 ** (curve.clamp(-2, 2) * decibel / 20)


def _room(size: int, rows: Tensor, options: AugmentOptions, draws: _Draws, rate: int) -> Tensor:
    """Draws spectra (R, F) of an exponentially decaying noise tail after a direct impulse."""
    taps = int(rate * 0.25)
    time = torch.arange(taps, device=draws.device) / rate
    decay = draws.between(*options.room_decay_seconds)[rows]
    tail = draws.normal(len(rows), taps) * torch.exp(-6.9 * time / decay)
    tail = tail * (time > 0.002)
    tail = tail / tail.norm(dim=1, keepdim=True).clamp(min=1e-6)
    tail = tail * 10 ** (draws.between(-18.0, 0.0)[rows] / 20)
    tail[:, 0] = 1.0
    spectrum: Tensor = torch.fft.rfft(tail, size)
    return spectrum


def _noise(
    hertz: Tensor, spectrum: Tensor, response: Tensor, options: AugmentOptions, draws: _Draws
) -> Tensor:
    """Draws spectra (R, F) of coloured noise at a random SNR, mostly within the band limits."""
    count = spectrum.shape[0]
    shape = (hertz + 50.0) ** (-1.2 * draws.uniform(count, 1))
    behind = draws.uniform(count, 1) < 0.7
    shape = shape * torch.where(behind, response.clamp(max=1.0), 1.0)
    noise = torch.view_as_complex(draws.normal(*spectrum.shape, 2)) * shape
    ratio = spectrum.abs().pow(2).mean(1, keepdim=True).sqrt()
    ratio = ratio / noise.abs().pow(2).mean(1, keepdim=True).sqrt().clamp(min=1e-9)
    low, high = options.noise_snr_db
    return noise * ratio * 10 ** (-(low + (high - low) * draws.uniform(count, 1)) / 20)


def _background(
    rows: Tensor, count: int, options: AugmentOptions, draws: _Draws, around: Surroundings
) -> Tensor:
    """Draws pieces (R, N) of measured noises, at a random SNR to a waveform of unit power."""
    picked = draws.below(len(rows), len(around.noises)).unsqueeze(1)
    length = around.noises.shape[1]
    start = draws.below(len(rows), length).unsqueeze(1)
    noise = around.noises[picked, (start + torch.arange(count, device=draws.device)) % length]
    noise = noise / noise.pow(2).mean(1, keepdim=True).sqrt().clamp(min=1e-3)
    low, high = options.noise_snr_db
    return noise * 10 ** (-(low + (high - low) * draws.uniform(len(rows), 1)) / 20)


def _mu_law(waves: Tensor, full_scale: Tensor) -> Tensor:
    """Applies 8-bit mu-law, whose full scale is `full_scale` times the RMS."""
    scaled = (waves / full_scale).clamp(-1, 1)
    mu = 255.0
    compressed = torch.sign(scaled) * torch.log1p(mu * scaled.abs()) / math.log1p(mu)
    coded = torch.round(compressed * 127.0) / 127.0
    expanded = torch.sign(coded) * (torch.exp(coded.abs() * math.log1p(mu)) - 1) / mu
    return expanded * full_scale


def _lost_packets(count: int, options: AugmentOptions, draws: _Draws, rate: int) -> Tensor:
    """Draws gains (B, N), zero in packets of 20 ms that are lost with a chance of 1 to 10 %."""
    packet = rate // 50
    lost = draws.uniform(draws.batch, -(-count // packet)) < draws.between(0.01, 0.1)
    lost = lost & draws.chance(options.packet_loss_chance)
    return (~lost).float().repeat_interleave(packet, dim=1)[:, :count]


def _time_mask(count: int, options: AugmentOptions, draws: _Draws, rate: int) -> Tensor:
    """Draws gains (B, N), zero in one span of at most `mask_seconds`."""
    span = draws.uniform(draws.batch, 1) * options.mask_seconds * rate
    start = draws.uniform(draws.batch, 1) * count
    positions = torch.arange(count, device=draws.device)
    inside = (positions >= start) & (positions < start + span)
    return (~(inside & draws.chance(options.mask_chance))).float()
