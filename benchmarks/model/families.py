"""Classifiers of transformers' families, at base size and with random weights."""

import json
from pathlib import Path
from typing import Any

import torch

from dfd.errors import UserError

BERT = "wav2vec2-bert"
# name -> its model type, and what differs from transformers' defaults, which are the base sizes
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "hubert-base": ("hubert", {}),
    "wavlm-base": ("wavlm", {}),
    "unispeech-sat-base": ("unispeech-sat", {}),
    "data2vec-audio-base": ("data2vec-audio", {}),
    "wav2vec2-conformer-base": ("wav2vec2-conformer", {}),
    # it has one size, of 24 layers and 580 million parameters
    "wav2vec2-bert-4-layers": (BERT, {"num_hidden_layers": 4}),
}


def write_family(name: str, folder: Path) -> Path:
    """Writes a model folder.

    Args:
        name: one of `FAMILIES`.
        folder: where to write it; created if missing.

    Raises:
        UserError: if transformers is not installed.
    """
    try:
        from transformers import AutoConfig, AutoModelForAudioClassification
    except ImportError:
        raise UserError(
            f"{name} is made by transformers, which is missing: pip install 'dfd[train]'"
        ) from None
    kind, changes = FAMILIES[name]
    labels = {"id2label": {0: "bonafide", 1: "spoof"}, "label2id": {"bonafide": 0, "spoof": 1}}
    torch.manual_seed(0)
    config: Any = AutoConfig.for_model(kind, **labels, **changes)
    build: Any = AutoModelForAudioClassification
    build.from_config(config).save_pretrained(folder)
    preprocessor = {"do_normalize": True, "sampling_rate": 16_000}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    card = {"name": name, "window_samples": 64_000, "hop_samples": 32_000}
    (folder / "dfd.json").write_text(json.dumps(card))
    return folder


def takes_samples(folder: Path) -> bool:
    """Returns whether transformers' model of a folder takes samples, rather than filterbanks."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return bool(config.get("model_type") != BERT)
