import numpy as np
import pytest
import torch

from dfd.training.frozen.recipe import SpectralOptions
from dfd.training.frozen.spectral import names, spectral_features

OPTIONS = SpectralOptions()


def features(wave: np.ndarray) -> dict[str, float]:
    batch = torch.from_numpy(wave.astype(np.float32))[None]
    row = spectral_features(batch, torch.tensor([wave.size]), OPTIONS)[0]
    return dict(zip(names(OPTIONS), row.tolist(), strict=True))


def sine(hertz: float, samples: int = 32_000) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(samples) / 16_000)


def noise(samples: int = 32_000) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(samples)


def test_the_centroid_of_a_sine_is_its_frequency() -> None:
    assert features(sine(1_000))["centroid_hz"] == pytest.approx(1_000, rel=0.1)
    assert features(sine(4_000))["centroid_hz"] == pytest.approx(4_000, rel=0.05)
    assert features(noise())["centroid_hz"] == pytest.approx(4_000, rel=0.05)


def test_entropy_separates_tones_from_noise_at_any_length() -> None:
    line, flat = features(sine(1_000)), features(noise())
    assert line["mel_entropy"] < 1.0
    assert np.log(64) - 0.5 < flat["mel_entropy"] < np.log(64)
    longer = features(noise(160_000))
    assert longer["mel_entropy"] == pytest.approx(flat["mel_entropy"], abs=0.02)


def test_level_moves_the_first_mfcc_alone() -> None:
    loud, quiet = features(noise()), features(0.1 * noise())
    # 20 dB in each of 128 bands, orthonormal
    assert loud["mfcc_0"] - quiet["mfcc_0"] == pytest.approx(20 * np.sqrt(128), rel=0.01)
    for name in ("centroid_hz", "mel_entropy", "mfcc_1", "mfcc_12"):
        assert loud[name] == pytest.approx(quiet[name], rel=1e-3, abs=0.02), name


def test_a_frame_by_hand() -> None:
    """The centroid of one centred frame, by NumPy's transform."""
    wave = noise(300)
    frame = np.zeros(2048)
    frame[1024 : 1024 + 300] = wave
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    magnitude = np.abs(np.fft.rfft(frame * window))
    hertz = np.linspace(0, 8_000, 1025)
    wanted = (hertz * magnitude).sum() / magnitude.sum()
    assert features(wave)["centroid_hz"] == pytest.approx(wanted, rel=1e-3)


def test_a_recording_has_the_same_figures_in_any_batch() -> None:
    waves = [noise(20_000), sine(500, 33_333), noise(700), np.zeros(9_000)]
    batch = torch.zeros(4, 33_333)
    for row, wave in enumerate(waves):
        batch[row, : wave.size] = torch.from_numpy(wave)
    lengths = torch.tensor([wave.size for wave in waves])
    together = spectral_features(batch, lengths, OPTIONS)
    for row, wave in enumerate(waves):
        alone = list(features(wave).values())
        assert together[row].tolist() == pytest.approx(alone, rel=1e-4, abs=1e-3), row
    assert together.isfinite().all()
