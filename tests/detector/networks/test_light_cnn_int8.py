import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dfd.detector import load_detector, precision
from dfd.detector.files.bundled import bundled_folder
from dfd.detector.files.read import read_checkpoint
from dfd.detector.networks.frames import lay_out
from dfd.detector.networks.hops import HopScoringNetwork
from dfd.detector.networks.int8_products import Grid, input_grids
from dfd.detector.networks.light_cnn import LightCnn, Stage, StageLayer
from dfd.detector.networks.light_cnn_int8 import QuantizedStage, quantize_light_cnn
from dfd.detector.signals import probe_signals
from tests.detector.conftest import needs_int8

pytestmark = pytest.mark.slow

PLACES = Stage(24, frame_taps=1, feature_taps=1)


def made(stage: Stage, maps: int = 16) -> tuple[StageLayer, torch.Tensor]:
    """A stage, and what it may see: maps last in memory, past a GELU."""
    torch.manual_seed(0)
    seen = nn.functional.gelu(3.0 * torch.randn(2, 21, 12, maps)).permute(0, 3, 1, 2)
    return StageLayer(stage, maps), seen


@pytest.fixture
def networks() -> tuple[HopScoringNetwork, HopScoringNetwork]:
    """The bundled network, and the same in int8."""
    network = read_checkpoint("bundled").network
    assert isinstance(network, HopScoringNetwork)
    lay_out(network)
    whole = copy.deepcopy(network)
    ranges, _ = probe_signals(64_000, 16_000, 1)
    assert isinstance(network.head, LightCnn)
    quantize_light_cnn(network.head, input_grids(network, ranges, (StageLayer,)))
    return whole, network


@needs_int8
@pytest.mark.parametrize(
    "stage",
    [
        PLACES,
        Stage(24),
        Stage(24, frame_stride=2),
        Stage(24, 5, 5, frame_pool=2, feature_pool=2),
        Stage(24, 1, 1, frame_pool=2),
    ],
    ids=["product", "convolution", "stride", "pools", "pooled product"],
)
def test_a_stage_is_nearly_as_before(stage: Stage) -> None:
    layer, seen = made(stage)
    grid = Grid.over(float(seen.min()), float(seen.max()))
    with torch.inference_mode():
        expected, found = layer(seen), QuantizedStage(layer, grid, None)(seen)
    assert found.shape == expected.shape
    assert not torch.equal(found, expected)
    assert float((found - expected).norm() / expected.norm()) < 0.03


@needs_int8
def test_a_product_writes_what_the_next_stage_reads() -> None:
    layer, seen = made(PLACES)
    grid, output = Grid.over(float(seen.min()), float(seen.max())), Grid.over(-0.2, 3.0)
    with torch.inference_mode():
        expected, codes = layer(seen), QuantizedStage(layer, grid, output)(seen)
    assert codes.dtype == torch.uint8
    found = (codes.float() - output.zero) * output.scale
    np.testing.assert_allclose(found, expected.clamp(max=3.3), atol=0.1)


@needs_int8
def test_what_lies_beyond_the_range_is_its_end() -> None:
    layer, seen = made(Stage(24))
    stage = QuantizedStage(layer, Grid.over(-0.2, 2.0), None)
    with torch.inference_mode():
        found, expected = stage(2.0 * seen), stage((2.0 * seen).clamp(max=2.0 * 1.1))
    np.testing.assert_allclose(found, expected, atol=0.05)


@needs_int8
def test_the_bundled_network_scores_nearly_as_before(
    networks: tuple[HopScoringNetwork, HopScoringNetwork],
) -> None:
    whole, quantized = networks
    windows, lengths = (torch.from_numpy(array) for array in probe_signals(64_000, 16_000))
    with torch.inference_mode():
        expected, found = whole(windows, lengths), quantized(windows, lengths)
    assert not torch.equal(found, expected)
    np.testing.assert_allclose(found.sigmoid(), expected.sigmoid(), atol=0.02)


@needs_int8
def test_only_the_first_convolution_of_a_branch_is_left(
    networks: tuple[HopScoringNetwork, HopScoringNetwork],
) -> None:
    left = [name for name, part in networks[1].named_modules() if isinstance(part, nn.Conv2d)]
    assert left == ["head.branches.0.stages.0.conv", "head.branches.1.stages.0.conv"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bundled model, whose card does not say that it was measured in int8."""
    copied = tmp_path / "model"
    shutil.copytree(bundled_folder(), copied)
    card = json.loads((copied / "dfd.json").read_text())
    del card["int8"]
    (copied / "dfd.json").write_text(json.dumps(card))
    return copied


@needs_int8
def test_auto_takes_int8_where_the_card_says_that_it_was_measured(folder: Path) -> None:
    assert load_detector(device="cpu", warm=False).spec.precision == "int8"
    assert load_detector(str(folder), device="cpu", warm=False).spec.precision != "int8"


def test_auto_takes_fp32_where_the_cpu_has_no_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_flags", frozenset)
    assert load_detector(device="cpu", warm=False).spec.precision == "fp32"


def test_an_engine_without_int8_runs_fp32() -> None:
    pytest.importorskip("onnxruntime", reason="pip install 'dfd[onnx]'")
    pytest.importorskip("onnx", reason="pip install 'dfd[onnx]'")
    detector = load_detector(device="cpu", engine="onnx", batch_buckets=(1,), warm=False)
    assert detector.spec.precision != "int8"
