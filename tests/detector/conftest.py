"""Tiny checkpoints with random weights, in the form that transformers writes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.detector.authors import TopFour, TwoStage, shaken

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16, 16, 24),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (8, 4, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 12,
    "num_labels": 2,
    "id2label": {0: "bonafide", 1: "spoof"},
    "label2id": {"bonafide": 0, "spoof": 1},
}
WINDOW = 4_000
CARD: dict[str, Any] = {"window_samples": WINDOW, "hop_samples": WINDOW // 2}
BUCKETS = (1, 2, 4)

MakeFolder = Callable[..., Path]


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
        from transformers import (
            Wav2Vec2Config,
            Wav2Vec2FeatureExtractor,
            Wav2Vec2ForSequenceClassification,
        )

        torch.manual_seed(7)
        config = Wav2Vec2Config(**(SMALL | changes))
        build: Any = Wav2Vec2ForSequenceClassification
        model = shaken(build(config))
        folder = tmp_path_factory.mktemp("model")
        model.save_pretrained(folder)
        extractor: Any = Wav2Vec2FeatureExtractor
        extractor(do_normalize=do_normalize).save_pretrained(folder)
        if card is not None:
            (folder / "dfd.json").write_text(json.dumps(card))
        return folder

    return make


@pytest.fixture(scope="session")
def folder(make_folder: MakeFolder) -> Path:
    """One checkpoint to read and not to change."""
    return make_folder(feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True)


@pytest.fixture(scope="session")
def two_stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """System A's checkpoint, tiny, with the backbone's config.json beside it."""
    return _saved(TwoStage(**SMALL), tmp_path_factory.mktemp("a") / "stage2_best.pt")


@pytest.fixture(scope="session")
def top_four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """System C's checkpoint, likewise."""
    return _saved(TopFour(inner=12, **SMALL), tmp_path_factory.mktemp("c") / "best.pt")


def _saved(model: Any, path: Path) -> Path:
    from transformers import Wav2Vec2Config

    torch.manual_seed(8)
    shaken(model).save(path)
    Wav2Vec2Config(**SMALL).save_pretrained(path.parent)
    return path


@pytest.fixture
def windows() -> NDArray[np.float32]:
    """Seven windows of different loudness, with an offset."""
    generator = np.random.default_rng(3)
    loudness = np.geomspace(1e-3, 1.0, 7)[:, None]
    noise = np.cumsum(generator.standard_normal((7, WINDOW)), axis=1)
    noise /= np.abs(noise).max(axis=1, keepdims=True)
    signal: NDArray[np.float32] = (loudness * (noise + 0.1)).astype(np.float32)
    return signal
