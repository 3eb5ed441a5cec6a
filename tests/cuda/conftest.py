"""What is different on a graphics card from a CPU.

scripts/gpu-check runs this folder by itself on machines that have pytest and no plugin of it,
so nothing here, nor what it imports, needs more than torch, torchaudio, safetensors and
prometheus-client. Where torch sees no card the CPU stands in, but for the tests of `card`.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dfd.benchmarks.model.networks import SMALL, write_random

DEVICE = os.environ.get("DFD_TEST_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
Windows = tuple[NDArray[np.float32], NDArray[np.int64]]
WINDOW = 16_000


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def device() -> torch.device:
    """Returns the device to run on."""
    return torch.device(DEVICE)


@pytest.fixture
def card(device: torch.device) -> Iterator[torch.device]:
    """Returns a graphics card, and restores its state afterwards."""
    if device.type != "cuda" or not torch.cuda.is_available():
        pytest.skip("this needs a graphics card that torch sees: run scripts/gpu-check on one")
    yield device
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


@pytest.fixture(scope="session", params=["wav2vec2-base", "wav2vec2-xls-r-300m"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes a model of each kind of norm, with few layers."""
    folder = write_random(request.param, tmp_path_factory.mktemp("model") / "small", **SMALL)
    card = {"window_samples": WINDOW, "hop_samples": WINDOW // 2}
    (folder / "dfd.json").write_text(json.dumps(card))
    return folder


@pytest.fixture(scope="session")
def windows() -> Windows:
    """Makes seven windows of noise, full and short, of different loudness."""
    generator = np.random.default_rng(5)
    noise = generator.standard_normal((7, WINDOW)) * np.geomspace(1e-3, 0.3, 7)[:, None]
    lengths = np.full(7, WINDOW, np.int64)
    lengths[2], lengths[5] = WINDOW // 4, 401
    return noise.astype(np.float32), lengths
