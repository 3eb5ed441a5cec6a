"""Tiny checkpoints with random weights, in transformers' format."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dfd.detector import precision as precisions
from dfd.detector.files.read import read_checkpoint
from dfd.detector.networks.scoring import ScoringNetwork
from tests.detector.authors import (
    SMALL_CLASSIFIER,
    save_small_top_four,
    save_small_two_stage,
    save_transformers,
)

WINDOW = 4_000
CARD: dict[str, Any] = {"window_samples": WINDOW, "hop_samples": WINDOW // 2}
BUCKETS = (1, 2, 4)

MakeFolder = Callable[..., Path]

needs_int8 = pytest.mark.skipif(
    not precisions.has_int8(torch.device("cpu")),
    reason="int8 needs a CPU that multiplies 8-bit integers: AVX-512 VNNI, AVX-VNNI or AMX",
)


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    """Draws the same random numbers in every run: graphs keep the best nodes, and ties can turn."""
    torch.manual_seed(0)


def scoring_network(folder: Path) -> ScoringNetwork:
    """Returns the network of a checkpoint with a backbone."""
    network = read_checkpoint(str(folder)).network
    assert isinstance(network, ScoringNetwork)
    return network


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> MakeFolder:
    """Writes a checkpoint; keywords change its configuration, `card` its dfd.json."""

    def make(
        card: dict[str, Any] | None = CARD, *, do_normalize: bool = True, **changes: Any
    ) -> Path:
        folder = tmp_path_factory.mktemp("model")
        save_transformers(folder, do_normalize=do_normalize, **(SMALL_CLASSIFIER | changes))
        if card is not None:
            (folder / "dfd.json").write_text(json.dumps(card))
        return folder

    return make


@pytest.fixture(scope="session")
def folder(make_folder: MakeFolder) -> Path:
    """A checkpoint that tests must not change."""
    return make_folder(feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True)


@pytest.fixture(scope="session")
def two_stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes a tiny checkpoint of system A, with the backbone's config.json next to it."""
    return save_small_two_stage(tmp_path_factory.mktemp("a"))


@pytest.fixture(scope="session")
def top_four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes a tiny checkpoint of system C, likewise."""
    return save_small_top_four(tmp_path_factory.mktemp("c"))


@pytest.fixture
def windows() -> NDArray[np.float32]:
    """Makes seven windows of different loudness, with an offset."""
    generator = np.random.default_rng(3)
    loudness = np.geomspace(1e-3, 1.0, 7)[:, None]
    noise = np.cumsum(generator.standard_normal((7, WINDOW)), axis=1)
    noise /= np.abs(noise).max(axis=1, keepdims=True)
    signal: NDArray[np.float32] = (loudness * (noise + 0.1)).astype(np.float32)
    return signal
