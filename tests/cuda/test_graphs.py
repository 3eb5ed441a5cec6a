"""A forward pass replayed from a CUDA graph equals the original."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dfd.detector.engines.cuda_graphs import CudaGraphs
from dfd.detector.engines.torchscript import place
from dfd.detector.files.read import read_checkpoint
from dfd.detector.networks.frames import lay_out
from dfd.detector.networks.scoring import ScoringNetwork

from .conftest import WINDOW, Windows

pytestmark = pytest.mark.cuda


def network_of(folder: Path) -> ScoringNetwork:
    network = read_checkpoint(str(folder)).network
    assert isinstance(network, ScoringNetwork)
    return network


def test_a_recorded_pass_scores_like_the_original(card: torch.device) -> None:
    def double(windows: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        scores = 2.0 * windows.sum(dim=1)
        return scores if lengths is None else scores * lengths

    recorded = CudaGraphs(double)
    for value in (1.0, 3.0):
        windows = torch.full((2, 5), value, device=card)
        lengths = torch.tensor([1, 2], device=card)
        assert recorded(windows, None).tolist() == [10.0 * value] * 2
        assert recorded(windows, lengths).tolist() == [10.0 * value, 20.0 * value]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("laid_out", [True, False], ids=["laid out", "plain"])
def test_a_network_scores_the_same_with_graphs(
    folder: Path, windows: Windows, card: torch.device, dtype: torch.dtype, laid_out: bool
) -> None:
    network = network_of(folder)
    if laid_out:
        lay_out(network)
    place(network, card, dtype)
    recorded = CudaGraphs(network)
    samples, lengths = (torch.from_numpy(array).to(card) for array in windows)
    near = 1e-3 if dtype == torch.float32 else 3e-2
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    with torch.inference_mode():
        for start, stop in ((0, 4), (3, 7), (5, 6), (2, 6)):
            batch, valid = samples[start:stop], lengths[start:stop]
            for given in (None, valid):
                expected = network(batch, given).cpu().numpy()
                np.testing.assert_allclose(
                    recorded(batch, given).cpu().numpy(), expected, near, near
                )


def test_results_survive_the_next_call(folder: Path, card: torch.device) -> None:
    network = network_of(folder)
    place(network, card, torch.float32)
    recorded = CudaGraphs(network)
    with torch.inference_mode():
        loud, quiet = (
            torch.randn(2, WINDOW, device=card),
            0.01 * torch.randn(2, WINDOW, device=card),
        )
        first = recorded(loud, None)
        before = first.clone()
        recorded(quiet, None)
        assert torch.equal(first, before)
