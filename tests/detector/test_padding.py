from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dfd.detector.padding import padded

SIZE = 8


@pytest.fixture
def windows() -> NDArray[np.float32]:
    return np.arange(1, 2 * SIZE + 1, dtype=np.float32).reshape(2, SIZE)


def test_whole_windows_that_fill_a_batch_are_not_copied(windows: NDArray[np.float32]) -> None:
    batch, valid = padded(windows, np.full(2, SIZE), "mask", rows=2, least_samples=3)
    assert batch is windows
    assert valid.tolist() == [SIZE, SIZE]


@pytest.mark.parametrize("padding", ["mask", "zero"])
def test_samples_beyond_a_length_are_zeros(padding: str, windows: NDArray[np.float32]) -> None:
    before = windows.copy()
    batch, valid = padded(windows, np.array([SIZE, 2]), padding, rows=3, least_samples=3)
    assert batch[1].tolist() == [9, 10, 0, 0, 0, 0, 0, 0]
    assert not batch[2].any()
    assert valid.tolist() == [SIZE, 3, SIZE]
    np.testing.assert_array_equal(windows, before)


def test_arrays_that_torch_does_not_take_are_copied(windows: NDArray[np.float32]) -> None:
    whole = np.full(2, SIZE)
    windows.flags.writeable = False
    others: list[Any] = [windows, np.asfortranarray(windows), windows.astype(np.float64)]
    for given in others:
        batch, _ = padded(given, whole, "mask", rows=2, least_samples=3)
        assert batch is not given
        assert batch.dtype == np.float32
        np.testing.assert_array_equal(batch, given)
