"""A batch that does not fit into memory fails alone."""

import gc
from pathlib import Path

import numpy as np
import pytest
import torch

from dfd.detector import load_detector

from .conftest import DEVICE, WINDOW, Windows

pytestmark = pytest.mark.cuda


def used() -> int:
    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    return torch.cuda.memory_allocated()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_batch_too_large_for_memory_fails_and_the_next_is_scored(
    folder: Path, windows: Windows, card: torch.device, precision: str
) -> None:
    detector = load_detector(
        str(folder), device=DEVICE, precision=precision, batch_buckets=(1, 1024), warm=False
    )
    samples, lengths = windows
    before = detector.score(samples[:1], lengths[:1])
    many = np.repeat(samples[:1], 1024, axis=0)
    total = torch.cuda.get_device_properties(card).total_memory
    torch.cuda.empty_cache()
    room = torch.cuda.memory_reserved() + (64 << 20)
    torch.cuda.set_per_process_memory_fraction(min(1.0, room / total))
    with pytest.raises(RuntimeError, match="out of memory"):
        detector.score(many, np.full(1024, WINDOW, np.int64))
    np.testing.assert_array_equal(detector.score(samples[:1], lengths[:1]), before)
    torch.cuda.set_per_process_memory_fraction(1.0)
    np.testing.assert_allclose(
        detector.score(many, np.full(1024, WINDOW, np.int64))[:1], before, atol=2e-2
    )


def test_a_deleted_detector_frees_its_memory(folder: Path, card: torch.device) -> None:
    before = used()
    detector = load_detector(str(folder), device=DEVICE, batch_buckets=(1, 8))
    assert used() > before
    del detector
    # cuBLAS keeps its workspace
    assert used() - before < 64 << 20
