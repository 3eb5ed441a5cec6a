"""A detector on the card scores as on the CPU."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dfd.detector import Detector, load_detector
from dfd.detector.precision import fast_precisions
from dfd.detector.signals import probe_signals

from .conftest import DEVICE, Windows

pytestmark = pytest.mark.cuda
BUCKETS = (1, 4)


def probabilities(detector: Detector, windows: Windows) -> NDArray[np.float64]:
    llrs = detector.score(*windows).astype(np.float64)
    found: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-llrs))
    return found


def on_cpu(model: str) -> Detector:
    return load_detector(model, device="cpu", precision="fp32", batch_buckets=BUCKETS, warm=False)


def test_fp32_agrees_with_the_cpu(folder: Path, windows: Windows) -> None:
    here = load_detector(str(folder), device=DEVICE, precision="fp32", batch_buckets=BUCKETS)
    expected = on_cpu(str(folder)).score(*windows)
    np.testing.assert_allclose(here.score(*windows), expected, atol=2e-3)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_agrees_with_fp32(folder: Path, windows: Windows, precision: str) -> None:
    if precision not in fast_precisions(torch.device(DEVICE)):
        pytest.skip(f"{DEVICE} has no instructions for {precision}")
    here = load_detector(str(folder), device=DEVICE, precision=precision, batch_buckets=BUCKETS)
    assert here.spec.precision == precision
    moved = np.abs(probabilities(here, windows) - probabilities(on_cpu(str(folder)), windows))
    assert moved.max() <= 0.02


def test_the_bundled_model_agrees_with_fp32() -> None:
    samples, lengths = probe_signals(64_000, 16_000, draw=2)
    windows = samples[:4], lengths[:4]
    here = load_detector(device=DEVICE, batch_buckets=BUCKETS)
    moved = np.abs(probabilities(here, windows) - probabilities(on_cpu("bundled"), windows))
    assert moved.max() <= 0.02


def test_a_score_does_not_depend_on_its_batch(folder: Path, windows: Windows) -> None:
    here = load_detector(str(folder), device=DEVICE, precision="fp32", batch_buckets=BUCKETS)
    together = here.score(*windows)
    samples, lengths = windows
    alone = [
        here.score(samples[row : row + 1], lengths[row : row + 1])[0] for row in range(len(samples))
    ]
    np.testing.assert_allclose(together, alone, atol=1e-3)
