import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dfd.detector import load_detector
from dfd.detector import precision as precisions
from dfd.detector.files.read import read_checkpoint
from dfd.detector.networks.frames import lay_out
from dfd.detector.networks.int8 import Grid, QuantizedConvStep, QuantizedDense, quantize, rounded
from dfd.detector.networks.scoring import ScoringNetwork
from dfd.detector.signals import probe_signals
from dfd.errors import UserError
from tests.detector.conftest import WINDOW, MakeFolder, needs_int8, scoring_network


def test_a_grid_covers_its_range_and_zero() -> None:
    for low, high in ((-1.0, 3.0), (0.5, 2.0), (-4.0, -1.0), (0.0, 0.0)):
        grid = Grid.over(low, high)
        assert 0 <= grid.zero <= 255
        assert grid.scale * (0 - grid.zero) <= min(low, 0.0) + grid.scale
        assert grid.scale * (255 - grid.zero) >= max(high, 0.0) - grid.scale


def test_values_are_rounded_to_the_nearest_code() -> None:
    values = torch.tensor([-5.0, -4.6, -0.4, 0.0, 0.4, 1.6, 249.6, 250.0])
    assert rounded(values, 5).tolist() == [0, 0, 5, 5, 5, 7, 255, 255]


@needs_int8
def test_a_quiet_position_is_as_exact_as_a_loud_one(make_folder: MakeFolder) -> None:
    folder = make_folder(feat_extract_norm="group")
    step = lay_out(scoring_network(folder)).feature_extractor.steps[0]
    frames = torch.nn.functional.gelu(
        torch.randn(1, 2000, step.dense.weight.size(1) // step.kernel)
    )
    frames[:, 500:1500] *= 1e-3
    with torch.inference_mode():
        expected, found = step(frames), QuantizedConvStep(step)(frames)
    error = (found - expected).norm(dim=2) / expected.norm(dim=2)
    assert float(error.max()) < 0.03


@needs_int8
@pytest.mark.parametrize("extractor", [True, False])
@pytest.mark.parametrize("norm", ["group", "layer"])
def test_an_int8_network_scores_nearly_as_before(
    norm: str, extractor: bool, make_folder: MakeFolder
) -> None:
    folder = make_folder(feat_extract_norm=norm)
    network = lay_out(scoring_network(folder))
    ranges, _ = probe_signals(WINDOW, 16_000, 1)
    found = quantize(copy.deepcopy(network), ranges, extractor=extractor)
    kinds = [type(module) for module in found.modules()]
    assert kinds.count(QuantizedDense) == 4 * 2 + (2 if extractor else 0)
    assert kinds.count(QuantizedConvStep) == (2 if extractor else 0)
    windows, lengths = (torch.from_numpy(array) for array in probe_signals(WINDOW, 16_000))
    with torch.inference_mode():
        expected = network(windows, lengths)
        scores = found(windows, lengths)
    assert not torch.equal(scores, expected)
    # The last window is silent: with a norm over time only rounding errors are left.
    np.testing.assert_allclose(scores[:7], expected[:7], atol=0.06)


class _Mean(nn.Module):
    def measure(self, states: torch.Tensor, _: torch.Tensor | None) -> torch.Tensor:
        return states.mean(dim=1)

    def judge(self, sums: torch.Tensor) -> torch.Tensor:
        return sums.mean(dim=1)[:, :2]


@needs_int8
def test_a_model_that_cannot_run_in_int8_is_refused() -> None:
    network = read_checkpoint("bundled").network
    assert isinstance(network, ScoringNetwork)
    network.head = _Mean()
    with pytest.raises(UserError, match="cannot run in int8"):
        quantize(lay_out(network), probe_signals(WINDOW, 16_000)[0])


def test_int8_is_refused_without_instructions(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precisions, "cpu_flags", frozenset)
    with pytest.raises(UserError, match="int8 was requested, but cpu has no instructions"):
        load_detector(str(folder), precision="int8")
