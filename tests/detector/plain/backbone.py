"""A backbone as transformers runs it, and the same tensors under fairseq's names.

The names are written out here by hand, from fairseq's modules.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.detector.authors import SMALL, shaken

LAYER_NORMS = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
_LAYER = {
    "attention.q_proj": "self_attn.q_proj",
    "attention.k_proj": "self_attn.k_proj",
    "attention.v_proj": "self_attn.v_proj",
    "attention.out_proj": "self_attn.out_proj",
    "layer_norm": "self_attn_layer_norm",
    "feed_forward.intermediate_dense": "fc1",
    "feed_forward.output_dense": "fc2",
    "final_layer_norm": "final_layer_norm",
}
_REST = {
    "feature_projection.layer_norm.weight": "layer_norm.weight",
    "feature_projection.layer_norm.bias": "layer_norm.bias",
    "feature_projection.projection.weight": "post_extract_proj.weight",
    "feature_projection.projection.bias": "post_extract_proj.bias",
    "encoder.pos_conv_embed.conv.bias": "encoder.pos_conv.0.bias",
    "encoder.pos_conv_embed.conv.parametrizations.weight.original0": "encoder.pos_conv.0.weight_g",
    "encoder.pos_conv_embed.conv.parametrizations.weight.original1": "encoder.pos_conv.0.weight_v",
    "encoder.layer_norm.weight": "encoder.layer_norm.weight",
    "encoder.layer_norm.bias": "encoder.layer_norm.bias",
    "masked_spec_embed": "mask_emb",
}


def make_backbone(folder: Path, **changes: Any) -> Any:
    """Makes a tiny Wav2Vec2 of transformers, and writes its config.json into the folder."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(5)
    build: Any = Wav2Vec2Model
    config: Any = Wav2Vec2Config
    sizes = config(**(SMALL | LAYER_NORMS | changes))
    sizes.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "wav2vec2"
    return shaken(build(sizes))


def fairseq_state(model: Any, prefix: str) -> dict[str, Tensor]:
    """Returns its tensors under fairseq's names, with leftovers of pre-training."""
    grouped = model.config.feat_extract_norm == "group"
    state = {}
    for name, value in model.state_dict().items():
        parts = name.split(".")
        if name.startswith("feature_extractor.conv_layers."):
            place = {"conv": "0", "layer_norm": "2" if grouped else "2.1"}[parts[3]]
            new = f"feature_extractor.conv_layers.{parts[2]}.{place}.{parts[4]}"
        elif name.startswith("encoder.layers."):
            new = f"encoder.layers.{parts[2]}.{_LAYER['.'.join(parts[3:-1])]}.{parts[-1]}"
        else:
            new = _REST[name]
        state[prefix + new] = value.detach().clone()
    state[prefix + "quantizer.vars"] = torch.ones(1, 4, 2)
    state[prefix + "final_proj.weight"] = torch.ones(3, 3)
    state[prefix + "mask_emb"] = torch.ones(model.config.hidden_size)
    return state
