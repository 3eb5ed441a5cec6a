import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfd.streaming.samples.resample import Resampler
from dfd.streaming.types import Samples
from tests.streaming.helpers import tone


def resample(samples: Samples, rate: int, sizes: list[int]) -> Samples:
    resampler = Resampler(rate, 16_000, samples.shape[1])
    out, at = [], 0
    while at < len(samples):
        for size in sizes:
            out.append(resampler.push(samples[at : at + size]))
            at += size
    return np.concatenate([*out, resampler.flush()])


@settings(max_examples=25)
@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000]),
    channels=st.integers(1, 3),
    sizes=st.lists(st.integers(1, 5_000), min_size=1, max_size=5),
)
def test_chunking_changes_no_bit(rate: int, channels: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(rate)
    samples = rng.standard_normal((rate // 2, channels)).astype(np.float32)
    whole = resample(samples, rate, [len(samples)])
    assert np.array_equal(whole, resample(samples, rate, sizes))
    assert abs(len(whole) - 8_000) <= 1


@pytest.mark.parametrize("rate", [8_000, 24_000, 44_100, 48_000])
def test_a_tone_keeps_its_position(rate: int) -> None:
    resampled = resample(tone(1.0, rate)[:, None], rate, [rate // 50])[:, 0]
    middle = slice(2_000, 14_000)
    assert np.abs(resampled[middle] - tone(1.0)[middle]).max() < 1e-3


def test_same_rate_passes_through() -> None:
    samples = tone(0.1)[:, None]
    resampler = Resampler(16_000, 16_000, 1)
    assert resampler.push(samples) is samples
    assert resampler.flush().shape == (0, 1)
