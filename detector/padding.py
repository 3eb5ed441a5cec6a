"""Fills batches with windows that may be shorter than the network's."""

import numpy as np
from numpy.typing import NDArray

from dfd.detector.overrides import REPEAT


def padded(
    windows: NDArray[np.float32],
    lengths: NDArray[np.int64],
    padding: str,
    *,
    rows: int,
    least_samples: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Copies windows into a batch of the network's size.

    Args:
        windows: (B, N); samples beyond a window's length are not read.
        lengths: (B,), number of valid samples of each, at least 1.
        padding: one of `overrides.PADDINGS`.
        rows: number of rows of the batch; rows without a window are silent.
        least_samples: shorter windows are scored as if they were this long, padded with zeros.

    Returns:
        The batch (rows, N), and the number of valid samples of each row (rows,). The batch is
        `windows` itself if nothing has to be filled in.
    """
    size = windows.shape[1]
    if len(windows) == rows and (lengths == size).all() and _as_batch(windows):
        return windows, np.full(rows, size, np.int64)
    batch = np.zeros((rows, size), np.float32)
    valid = np.full(rows, size, np.int64)
    for row, window, length in zip(batch, windows, lengths, strict=False):
        if padding == REPEAT:
            row[:] = np.resize(window[:length], size)
        else:
            row[:length] = window[:length]
    if padding != REPEAT:
        valid[: len(lengths)] = np.maximum(lengths, least_samples)
    return batch, valid


def _as_batch(windows: NDArray[np.float32]) -> bool:
    """Returns whether torch can use the array without a copy."""
    flags = windows.flags
    return windows.dtype == np.float32 and flags.c_contiguous and flags.writeable
