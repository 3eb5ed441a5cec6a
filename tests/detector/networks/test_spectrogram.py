import numpy as np
import pytest
import torch
from torch.nn.functional import gelu

from dfd.detector.networks.spectrogram import (
    PHASES,
    RECTIFIER_GAIN,
    Spectrogram,
    SpectrogramOptions,
    compression,
    filter_bank,
)


def test_filters_are_bands_in_three_phases() -> None:
    options = SpectrogramOptions()
    bank = filter_bank(options)
    assert bank.shape == (options.bands * PHASES, options.taps)
    assert bank.sum(1).abs().max() < 1e-3
    peaks = np.abs(np.fft.rfft(bank.numpy(), 8192)).argmax(1) * 16_000 / 8192
    spacing = (options.highest_hz - options.lowest_hz) / (options.bands - 1)
    assert np.abs(np.diff(peaks[::PHASES]) - spacing).max() < 4
    assert abs(peaks[0] - options.lowest_hz) < 20
    assert abs(peaks[-1] - options.highest_hz) < 20


def test_magnitude_does_not_depend_on_the_phase() -> None:
    spectrogram = Spectrogram(SpectrogramOptions())
    time = torch.arange(3200) / 16_000
    frames = []
    for phase in np.linspace(0, 2 * np.pi, 12):
        wave = torch.sin(2 * np.pi * 1000 * time + float(phase))
        frames.append(spectrogram(wave[None])[0, 5])
    loud = torch.stack(frames)
    band = int(loud.mean(0).argmax())
    assert loud[:, band].std() < 0.05


@pytest.mark.parametrize(("taps", "hop_samples"), [(400, 200), (410, 150), (200, 200), (100, 150)])
@pytest.mark.parametrize("samples", [64_000, 5_001, 410])
def test_it_is_the_sum_of_rectified_filters(taps: int, hop_samples: int, samples: int) -> None:
    options = SpectrogramOptions(bands=20, taps=taps, hop_samples=hop_samples)
    waves = torch.randn(2, samples, generator=torch.Generator().manual_seed(0))
    swings = waves.unfold(1, taps, hop_samples) @ filter_bank(options).t()
    halves = gelu(swings * RECTIFIER_GAIN).view(*swings.shape[:2], -1, PHASES)
    magnitude = halves.sum(3) / RECTIFIER_GAIN
    curve = compression(options.knots, options.floor)
    knees = gelu(magnitude[..., None] * curve.gains + curve.offset)
    wanted = knees @ curve.weights + curve.constant
    made = Spectrogram(options).bands(waves)
    assert made.shape == wanted.shape
    assert (made - wanted).abs().max() < 1e-3


def test_compression_approximates_a_logarithm() -> None:
    curve = compression(4, 2e-3)
    magnitude = torch.logspace(-3.5, 1, 46)
    knees = torch.nn.functional.gelu(magnitude[:, None] * curve.gains + curve.offset)
    made = knees @ curve.weights + curve.constant
    assert (made - (torch.log(magnitude + 2e-3) + 2) / 2).abs().max() < 0.3
    assert (made[5:] > made[:-5]).all()
