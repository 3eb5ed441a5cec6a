"""Models of true size with random weights, for measuring without a trained one."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from dfd.detector.jsonfile import Fields
from dfd.detector.networks.backbone import (
    POSITION_WEIGHT,
    backbone_shapes,
    empty_backbone,
    read_config,
)

_COMMON: dict[str, Any] = {
    "model_type": "wav2vec2",
    "architectures": ["Wav2Vec2ForSequenceClassification"],
    "num_labels": 2,
    "id2label": {"0": "bonafide", "1": "spoof"},
    "label2id": {"bonafide": 0, "spoof": 1},
    "classifier_proj_size": 256,
}
_LARGE: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "do_stable_layer_norm": True,
}
# name -> what differs from transformers' defaults, which are wav2vec2-base
SIZES: dict[str, dict[str, Any]] = {
    "wav2vec2-base": {},
    "wav2vec2-base-layer-norm": {"feat_extract_norm": "layer", "conv_bias": True},
    "wav2vec2-xls-r-300m": _LARGE,
}

# changes that make a network of the same parts small enough for milliseconds anywhere
SMALL: dict[str, Any] = {
    "conv_dim": [32] * 7,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "classifier_proj_size": 16,
}


def write_random(name: str, folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Writes a model folder with random weights of a known size.

    Args:
        name: one of `SIZES`.
        folder: where to write it; created if missing.
        seed: seed of the weights.
        changes: changes to the size, under transformers' names; `SMALL` for tests.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = _COMMON | SIZES[name] | changes
    path = folder / "config.json"
    path.write_text(json.dumps(content, indent=2))
    preprocessor = {"do_normalize": True, "sampling_rate": 16_000}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    card = {"name": name, "window_samples": 64_000, "hop_samples": 32_000}
    (folder / "dfd.json").write_text(json.dumps(card))
    config = read_config(Fields(path, content))
    shapes = {
        f"wav2vec2.{key}": shape for key, shape in backbone_shapes(empty_backbone(config)).items()
    }
    projected = int(content["classifier_proj_size"])
    shapes |= {
        "projector.weight": torch.Size([projected, config.hidden_size]),
        "projector.bias": torch.Size([projected]),
        "classifier.weight": torch.Size([2, projected]),
        "classifier.bias": torch.Size([2]),
    }
    generator = torch.Generator().manual_seed(seed)
    tensors = {key: random_tensor(key, shape, generator) for key, shape in shapes.items()}
    # Stored as transformers does: a direction and its length for each tap.
    position = tensors.pop(f"wav2vec2.{POSITION_WEIGHT}")
    stem = f"wav2vec2.{POSITION_WEIGHT.removesuffix('weight')}parametrizations.weight"
    tensors[f"{stem}.original0"] = position.norm(dim=(0, 1), keepdim=True)
    tensors[f"{stem}.original1"] = position
    tensors["wav2vec2.masked_spec_embed"] = torch.zeros(config.hidden_size)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def xls_r_shapes() -> dict[str, torch.Size]:
    """Returns the sizes of XLS-R 300M's tensors, under transformers' names."""
    content = _COMMON | _LARGE
    return backbone_shapes(empty_backbone(read_config(Fields(Path("config.json"), content))))


def random_tensor(name: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Returns initial values for norms; otherwise random ones that keep activations' size."""
    if name.endswith("bias"):
        return torch.zeros(shape)
    if len(shape) == 1:
        return torch.ones(shape)
    inputs = math.prod(shape[1:])
    return torch.randn(shape, generator=generator) * math.sqrt(1.0 / inputs)
