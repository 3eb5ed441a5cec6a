"""The highest rate of one matrix product on this machine, independent of the model."""

from collections.abc import Callable

import torch

_SIZES_CPU = ((1536, 1536, 1536), (800, 3072, 768))
_SIZES_GPU = ((8192, 8192, 8192), (4096, 4096, 16384))


def products(precision: str, device: torch.device) -> dict[int, Callable[[], object]]:
    """Returns large products in a precision, by their numbers of operations."""
    sizes = _SIZES_GPU if device.type == "cuda" else _SIZES_CPU
    return {2 * m * k * n: _product(precision, device, m, k, n) for m, k, n in sizes}


def _product(precision: str, device: torch.device, m: int, k: int, n: int) -> Callable[[], object]:
    if precision == "int8":
        left = torch.randint(0, 255, (m, k), dtype=torch.uint8)
        packed = torch.ops.onednn.qlinear_prepack(
            torch.randint(-127, 127, (n, k), dtype=torch.int8), None
        )
        scale, zero = torch.ones(n), torch.zeros(n, dtype=torch.int32)
        return lambda: torch.ops.onednn.qlinear_pointwise(
            left, 1.0, 0, packed, scale, zero, None, 1.0, 0, torch.float32, "none", [], ""
        )
    from dfd.detector.precision import DTYPES

    dtype = DTYPES[precision]
    left = torch.randn(m, k, device=device, dtype=dtype)
    right = torch.randn(n, k, device=device, dtype=dtype)

    def call() -> None:
        torch.nn.functional.linear(left, right)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return call
