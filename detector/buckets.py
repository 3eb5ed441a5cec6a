"""Fixed batch sizes, because TorchScript and the GPU's libraries prepare for each new shape."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from dfd.errors import UserError

CPU_BUCKETS = (1, 2, 4, 8, 16)
CUDA_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
# Up to this many parameters a network is small: its windows cost no more than their streams.
SMALL_NETWORK = 50_000_000
# On a CPU a network with more parameters than this fills the cores with this batch size: larger
# batches take longer to warm and delay the windows behind them, and gain nothing.
_LARGEST_ON_CPU = ((200_000_000, 2), (SMALL_NETWORK, 4))


def default_buckets(
    device_type: str, parameters: int, largest: int | None = None
) -> tuple[int, ...]:
    """Returns the batch sizes to prepare for a network.

    Args:
        device_type: "cpu" or "cuda".
        parameters: number of parameters of the network.
        largest: largest worthwhile batch on a CPU; None decides by the parameters alone.
    """
    if device_type == "cuda":
        return CUDA_BUCKETS
    by_size = next((size for least, size in _LARGEST_ON_CPU if parameters > least), None)
    bounds = [bound for bound in (largest, by_size) if bound is not None]
    return tuple(bucket for bucket in CPU_BUCKETS if all(bucket <= bound for bound in bounds))


def check_buckets(buckets: Sequence[int]) -> tuple[int, ...]:
    """Returns the batch sizes in ascending order, without duplicates.

    Raises:
        UserError: if there is none, or one is not positive.
    """
    ordered = tuple(sorted(set(buckets)))
    if not ordered or ordered[0] < 1:
        raise UserError(f"the batch sizes are {list(buckets)}: name at least one, each 1 or more")
    return ordered


def split(count: int, buckets: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Splits a number of windows into batches.

    Args:
        count: number of windows.
        buckets: batch sizes, ascending.

    Yields:
        (start, stop, bucket): windows start to stop go in one batch of `bucket` rows, the
        smallest that holds them; more windows than the largest bucket make several batches.
    """
    start = 0
    while start < count:
        stop = min(start + buckets[-1], count)
        yield start, stop, next(bucket for bucket in buckets if bucket >= stop - start)
        start = stop


def stack(
    windows: Sequence[NDArray[np.float32]], window_samples: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Stacks windows of up to `window_samples`, with zeros after short ones.

    Returns:
        float32 (B, window_samples) and the lengths, int64 (B,), as expected by `Scorer.score`.
    """
    batch = np.zeros((len(windows), window_samples), np.float32)
    lengths = np.array([len(samples) for samples in windows], np.int64)
    for row, samples in zip(batch, windows, strict=True):
        row[: len(samples)] = samples
    return batch, lengths
