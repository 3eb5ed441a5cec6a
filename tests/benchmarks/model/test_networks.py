import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dfd.benchmarks.model import networks
from dfd.benchmarks.model.compare import count_operations
from dfd.detector import load_detector
from dfd.detector.jsonfile import Fields
from dfd.detector.networks.backbone import backbone_shapes, empty_backbone, read_config

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8, 8],
    "conv_kernel": [400, 2],
    "conv_stride": [160, 2],
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setitem(networks.SIZES, "tiny", TINY)
    return networks.write_random("tiny", tmp_path / "tiny")


def test_a_random_model_loads_and_distinguishes_windows(tiny: Path) -> None:
    detector = load_detector(str(tiny), precision="fp32", batch_buckets=(2,), warm=False)
    windows = np.zeros((2, 64_000), np.float32)
    windows[1] = np.random.default_rng(0).standard_normal(64_000)
    scores = detector.score(windows, np.full(2, 64_000))
    assert np.isfinite(scores).all()
    assert scores[0] != scores[1]


def test_transformers_loads_the_same_model(tiny: Path) -> None:
    transformers: Any = importlib.import_module("transformers")
    model, report = transformers.Wav2Vec2ForSequenceClassification.from_pretrained(
        tiny, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    window = np.random.default_rng(0).standard_normal((1, 64_000)).astype(np.float32)
    detector = load_detector(str(tiny), precision="fp32", batch_buckets=(1,), warm=False)
    window = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(window)).logits
    expected = float(logits[0, 1] - logits[0, 0])
    assert detector.score(window, np.full(1, 64_000))[0] == pytest.approx(expected, abs=1e-4)


def test_operations_are_counted(tiny: Path) -> None:
    """The convolutions, which dominate, are counted by hand."""
    first = (64_000 - 400) // 160 + 1
    second = (first - 2) // 2 + 1
    convolutions = 2 * (first * 8 * 400 + second * 8 * 8 * 2)
    assert convolutions < count_operations(tiny) < 5 * convolutions


def test_wav2vec2_base_has_its_size() -> None:
    """94.6 million parameters, as transformers' classifier has."""
    content = networks._COMMON | networks.SIZES["wav2vec2-base"]
    shapes = backbone_shapes(empty_backbone(read_config(Fields(Path("config.json"), content))))
    assert sum(shape.numel() for shape in shapes.values()) == pytest.approx(94.4e6, rel=0.001)
