"""Tiny Wav2Vec2 backbones with random weights, in folders as save_pretrained writes them."""

from pathlib import Path
from typing import Any

import torch

TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": (16, 16, 24),
    "conv_kernel": (10, 8, 4),
    "conv_stride": (10, 8, 4),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4,
    "mask_time_prob": 0.2,
    "mask_time_length": 5,
    "layerdrop": 0.1,
}
# as in the XLSR family: an extractor with an attention mask, norms before the layers
LAYER_NORM: dict[str, Any] = {
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "do_stable_layer_norm": True,
}


def make_backbone(folder: Path, *, normalises: bool | None = None, **changes: Any) -> Path:
    """Writes a Wav2Vec2Model, and a preprocessor if `normalises` is set."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    torch.manual_seed(7)
    build: Any = Wav2Vec2Model
    build(Wav2Vec2Config(**(TINY | changes))).save_pretrained(folder)
    if normalises is not None:
        extractor: Any = Wav2Vec2FeatureExtractor
        extractor(do_normalize=normalises).save_pretrained(folder)
    return folder
