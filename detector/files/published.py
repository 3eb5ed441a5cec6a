"""The sizes of a backbone, inferred from its tensors.

Strides, the number of heads and the position of the norms cannot be inferred from tensors; they are
known for the published Wav2Vec2 models. Other backbones need their config.json.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from dfd.detector.jsonfile import Fields, read_object
from dfd.detector.networks.backbone import POSITION_WEIGHT, BackboneConfig, read_config
from dfd.errors import UserError

_CONFIG = "config.json"
# kernels of the convolutions -> their strides
_STRIDES: dict[tuple[int, ...], tuple[int, ...]] = {(10, 3, 3, 3, 3, 2, 2): (5, 2, 2, 2, 2, 2, 2)}
# hidden size -> attention heads: base; large and XLS-R 300M; XLS-R 1B; XLS-R 2B
_HEADS = {768: 12, 1024: 16, 1280: 16, 1920: 16}


def config_beside(tensors: Mapping[str, Tensor], path: Path) -> tuple[BackboneConfig, str]:
    """Returns a backbone's sizes and where they come from: its config.json, or a known model."""
    beside = path.parent / _CONFIG
    content = read_object(beside) if beside.exists() else {}
    # other libraries also write files with this name
    if "model_type" in content:
        return read_config(Fields(beside, content)), f"the {_CONFIG} next to it"
    return config_of(tensors, path), "a published Wav2Vec2"


def config_of(tensors: Mapping[str, Tensor], path: Path) -> BackboneConfig:
    """Infers the sizes of a published Wav2Vec2.

    Args:
        tensors: the backbone's tensors by transformers' names, with the position norm folded in.
        path: path of the file, for messages.

    Raises:
        UserError: if tensors are missing, or the sizes are not those of a published model.
    """
    count = _count(tensors, "feature_extractor.conv_layers.{}.conv.weight")
    kernels = [tensors[f"feature_extractor.conv_layers.{i}.conv.weight"] for i in range(count)]
    for kernel in kernels:
        _require(kernel.ndim == 3, path, "its convolutions are not one-dimensional")
    layers = _count(tensors, "encoder.layers.{}.attention.k_proj.weight")
    inner = _rows(tensors, "encoder.layers.0.feed_forward.intermediate_dense.weight", 2, path)
    hidden = _rows(tensors, "feature_projection.projection.weight", 2, path)
    _rows(tensors, POSITION_WEIGHT, 3, path)
    position = tensors[POSITION_WEIGHT]
    shape = tuple(kernel.shape[2] for kernel in kernels)
    strides, heads = _STRIDES.get(shape), _HEADS.get(hidden)
    if strides is None or heads is None or position.shape[1] == 0:
        raise UserError(
            f"{path}: no published Wav2Vec2 has {count} convolutions with the kernels "
            f"{list(shape)} and hidden size {hidden}, so its strides and heads are not known: put "
            "the backbone's config.json next to the file"
        )
    layer_norm = "feature_extractor.conv_layers.1.layer_norm.weight" in tensors
    return BackboneConfig(
        feat_extract_norm="layer" if layer_norm else "group",
        conv_dim=tuple(kernel.shape[0] for kernel in kernels),
        conv_kernel=shape,
        conv_stride=strides,
        conv_bias="feature_extractor.conv_layers.0.conv.bias" in tensors,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        num_conv_pos_embeddings=position.shape[2],
        num_conv_pos_embedding_groups=max(1, hidden // position.shape[1]),
        # in the published models the two go together
        do_stable_layer_norm=layer_norm,
        layer_norm_eps=1e-5,
    )


def _count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    count = 0
    while pattern.format(count) in tensors:
        count += 1
    return count


def _rows(tensors: Mapping[str, Tensor], name: str, dimensions: int, path: Path) -> int:
    _require(name in tensors, path, f"it lacks {name}, so it is not a complete Wav2Vec2")
    value = tensors[name]
    _require(value.ndim == dimensions, path, f"{name} has the shape {list(value.shape)}")
    return int(value.shape[0])


def _require(condition: bool, path: Path, said: str) -> None:
    if not condition:
        raise UserError(f"{path}: {said}: use a checkpoint of a Wav2Vec2 classifier")
