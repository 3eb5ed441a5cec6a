import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dfd.detector import load_detector
from dfd.detector import precision as precisions
from dfd.detector.networks.frames import lay_out
from dfd.detector.networks.int8 import QuantizedConvStep, quantize
from dfd.detector.networks.int8_products import QuantizedDense
from dfd.detector.signals import probe_signals
from dfd.errors import UserError
from tests.detector.conftest import WINDOW, MakeFolder, needs_int8, scoring_network


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


@needs_int8
def test_a_model_that_cannot_run_in_int8_is_refused(make_folder: MakeFolder) -> None:
    network = lay_out(scoring_network(make_folder(num_hidden_layers=0)))
    network.transformer.adds_position = False
    network.feature_extractor = nn.Identity()
    with pytest.raises(UserError, match="cannot run in int8"):
        quantize(network, probe_signals(WINDOW, 16_000)[0])


def test_int8_is_refused_without_instructions(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precisions, "cpu_flags", frozenset)
    with pytest.raises(UserError, match="int8 was requested, but cpu has no instructions"):
        load_detector(str(folder), precision="int8")
