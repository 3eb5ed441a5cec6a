"""What a network is given where a window is shorter than its own."""

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
    """Lays windows into a batch of the network's size.

    Args:
        windows: (B, N); what lies past a length is not read.
        lengths: (B,), valid samples of each, from 1.
        padding: one of `overrides.PADDINGS`.
        rows: of the batch; those that no window fills are silent.
        least_samples: less is scored as so many, with zeros behind them.

    Returns:
        The batch (rows, N), and how many samples of each row count (rows,). The batch is
        `windows` itself where nothing has to be filled in.
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
    """Whether torch takes the array as it lies."""
    flags = windows.flags
    return windows.dtype == np.float32 and flags.c_contiguous and flags.writeable
