"""A tiny model with random weights, and daemons that serve it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.serving import RATE, Daemon, Start


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the transformers format, windows of half a second."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForSequenceClassification,
    )

    torch.manual_seed(1)
    values: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "conv_dim": (8, 8, 8),
        "conv_kernel": (10, 3, 2),
        "conv_stride": (8, 4, 2),
        "num_feat_extract_layers": 3,
        "num_conv_pos_embeddings": 8,
        "num_conv_pos_embedding_groups": 2,
        "classifier_proj_size": 8,
        "num_labels": 2,
        "feat_extract_norm": "layer",
        "conv_bias": True,
        "do_stable_layer_norm": True,
        "id2label": {0: "bonafide", 1: "spoof"},
        "label2id": {"bonafide": 0, "spoof": 1},
    }
    config = Wav2Vec2Config(**values)
    folder = tmp_path_factory.mktemp("model")
    Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    extractor: Any = Wav2Vec2FeatureExtractor
    extractor(do_normalize=True).save_pretrained(folder)
    card = {"window_samples": 2 * RATE, "hop_samples": RATE}
    (folder / "dfd.json").write_text(json.dumps(card))
    return folder


@pytest.fixture
def start(model: Path) -> Iterator[Start]:
    running: list[Daemon] = []

    def begin(*arguments: str, models: tuple[Path, ...] = (model,), **more: Any) -> Daemon:
        named = [word for one in models for word in ("--model", str(one))]
        running.append(Daemon(*named, *arguments, **more))
        return running[-1]

    yield begin
    for daemon in running:
        if daemon.process.poll() is None:
            daemon.process.kill()
        daemon.wait()
        assert daemon.process.stdout is not None
        assert daemon.process.stderr is not None
        daemon.process.stdout.close()
        daemon.process.stderr.close()
