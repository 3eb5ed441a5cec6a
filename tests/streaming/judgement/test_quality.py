import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from dfd.streaming.judgement.quality import SignalQuality
from dfd.streaming.types import Samples
from tests.streaming.helpers import RATE, silence, speech_like, tone


def observed(*windows: Samples) -> SignalQuality:
    quality = SignalQuality(RATE)
    for samples in windows:
        quality.observe(samples)
    return quality


def test_without_audio_there_is_no_complaint() -> None:
    quality = observed()
    assert quality.clipped_fraction == 0.0
    assert quality.bandwidth_hz == RATE / 2


def test_clipping_is_counted_over_all_windows() -> None:
    clipped = np.clip(tone(1.0, amplitude=2.0), -1, 1)
    part = float(np.mean(np.abs(clipped) >= 0.999))
    assert part > 0.5
    assert observed(clipped).clipped_fraction == pytest.approx(part)
    assert observed(clipped, tone(1.0)).clipped_fraction == pytest.approx(part / 2)


@pytest.mark.parametrize("cutoff_hz", [1_000, 2_000, 3_400])
def test_bandwidth_of_filtered_noise(cutoff_hz: int) -> None:
    noise = np.random.default_rng(0).standard_normal(4 * RATE)
    sos = butter(20, cutoff_hz, fs=RATE, output="sos")
    filtered = (0.1 * sosfilt(sos, noise)).astype(np.float32)
    # the filter falls by 55 dB only within a third of its cutoff
    assert cutoff_hz <= observed(filtered).bandwidth_hz <= 1.4 * cutoff_hz + 250


def test_bandwidth_of_a_voice_is_not_narrow() -> None:
    assert observed(speech_like(4.0)).bandwidth_hz >= 3_000


@pytest.mark.parametrize("samples", [silence(4.0), tone(0.05)])
def test_an_unknown_bandwidth_is_the_whole_band(samples: Samples) -> None:
    assert observed(samples).bandwidth_hz == RATE / 2


@pytest.mark.parametrize(("level_db", "bandwidth_hz"), [(-50.0, 6_250.0), (-60.0, 1_250.0)])
def test_levels_55_db_below_are_outside_the_band(level_db: float, bandwidth_hz: float) -> None:
    time = np.arange(4 * RATE) / RATE
    high = 10 ** (level_db / 20) * np.sin(2 * np.pi * 6_125 * time)
    samples = 0.5 * (np.sin(2 * np.pi * 1_125 * time) + high)
    assert observed(samples.astype(np.float32)).bandwidth_hz == bandwidth_hz


def test_bands_are_a_quarter_of_a_kilohertz() -> None:
    assert observed(tone(4.0)).bandwidth_hz == 3_500.0


def test_a_fourteenth_of_a_second_determines_the_bandwidth() -> None:
    assert observed(tone(0.07)).bandwidth_hz == 3_500.0


@pytest.mark.parametrize(("peak", "fraction"), [(0.9985, 0.0), (-0.9985, 0.0), (0.9995, 1.0)])
def test_full_scale_is_clipped(peak: float, fraction: float) -> None:
    assert observed(np.full(RATE, peak, np.float32)).clipped_fraction == fraction
