import numpy as np

from dfd.detector.signals import probe_signals


def test_several_kinds_and_always_the_same() -> None:
    windows, lengths = probe_signals(64_000, 16_000)
    again, _ = probe_signals(64_000, 16_000)
    np.testing.assert_array_equal(windows, again)
    assert windows.shape == (8, 64_000)
    assert windows.dtype == np.float32
    assert np.abs(windows).max() <= 1.0
    peaks = np.abs(windows).max(axis=1)
    assert peaks[3] < 0.002 < 0.99 < peaks[4]
    assert (windows[7] == 0.0).all()
    assert sorted(set(lengths)) == [32_000, 64_000]
    for window, length in zip(windows, lengths, strict=True):
        assert (window[length:] == 0.0).all()
