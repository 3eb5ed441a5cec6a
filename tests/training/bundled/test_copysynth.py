import numpy as np
import pytest
from scipy.signal import lfilter

from dfd.training.bundled.copysynth import METHODS, WORLD_METHODS


def vowel() -> np.ndarray:
    pulses = np.zeros(24_000)
    pulses[::133] = 1.0
    pulses += 0.01 * np.random.default_rng(0).normal(size=pulses.size)
    wave = lfilter([1.0], np.poly([0.97 * np.exp(1j * w) for w in (0.3, -0.3, 0.7, -0.7)]), pulses)
    return np.asarray(0.1 * wave / np.abs(wave).max(), dtype=np.float32)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_resembles_but_differs(name: str) -> None:
    if name in WORLD_METHODS:
        pytest.importorskip("pyworld", reason="no WORLD: pip install 'dfd[world]'")
    wave = vowel()
    for seed in range(3):
        made = METHODS[name](wave, np.random.default_rng(seed))
        assert made.shape == wave.shape
        assert made.dtype == np.float32
        assert np.isfinite(made).all()
        assert not np.allclose(made, wave, atol=1e-4)
        # the envelope survives: most power stays below 2 kHz
        power = np.abs(np.fft.rfft(made)) ** 2
        assert power[: power.size // 4].sum() > 0.8 * power.sum()
