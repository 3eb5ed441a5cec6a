"""Wav2Vec2 as torchaudio builds it, filled with tensors under transformers' names.

torchaudio's model can be scripted, and its modules have the same names as transformers' (both come
from fairseq); `torchaudio.models.wav2vec2.utils.import_huggingface_model` relies on that too.
Reading the tensors directly avoids importing transformers, which takes longer than the rest of the
start together.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torchaudio.models import Wav2Vec2Model, wav2vec2_model

from dfd.detector.jsonfile import Fields
from dfd.errors import UserError

# transformers' prefix -> torchaudio's
_PREFIXES = {
    "feature_extractor.": "feature_extractor.",
    "feature_projection.": "encoder.feature_projection.",
    "encoder.": "encoder.transformer.",
}
POSITION_WEIGHT = "encoder.pos_conv_embed.conv.weight"
# the names that versions of torch gave to weight normalisation: magnitude, direction
POSITION_NORMS = (
    ("encoder.pos_conv_embed.conv.weight_g", "encoder.pos_conv_embed.conv.weight_v"),
    (
        "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
        "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
    ),
)
# the calls that torch.nn.init makes
_FILLS = frozenset({Tensor.uniform_, Tensor.normal_, Tensor.fill_, Tensor.zero_})
# used only in training
TRAINING_ONLY = frozenset({"masked_spec_embed"})
# computed from the configuration
COMPUTED = frozenset({"encoder.embed_positions.inv_freq"})


class _WithoutInitialisation(TorchFunctionMode):
    """Leaves new parameters uninitialised, since they will be replaced.

    The meta device would do this too, but taking a norm on it imports torch's compiler, which takes
    seconds.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in _FILLS:
            return args[0]
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """The sizes of a Wav2Vec2, under transformers' names."""

    feat_extract_norm: str
    conv_dim: tuple[int, ...]
    conv_kernel: tuple[int, ...]
    conv_stride: tuple[int, ...]
    conv_bias: bool
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    num_conv_pos_embeddings: int
    num_conv_pos_embedding_groups: int
    do_stable_layer_norm: bool
    layer_norm_eps: float

    @property
    def receptive_field(self) -> int:
        """The fewest samples that give one frame."""
        return self.samples_behind(1)

    def samples_behind(self, frames: int) -> int:
        """Returns the fewest samples that give this many frames."""
        field = frames
        for kernel, stride in zip(
            reversed(self.conv_kernel), reversed(self.conv_stride), strict=True
        ):
            field = (field - 1) * stride + kernel
        return field

    def check_window(self, window_samples: int, source: str, frames: int = 1) -> None:
        """Checks that a window gives at least this many frames.

        Raises:
            UserError: if it is shorter, naming `source`.
        """
        least = self.samples_behind(frames)
        if window_samples < least:
            given = "not a single frame" if frames == 1 else f"fewer than {frames} frames"
            raise UserError(
                f"{source}: a window of {window_samples} samples gives {given}; "
                f"window_samples must be at least {least}"
            )


def read_config(
    fields: Fields,
    kinds: tuple[str, ...] = ("wav2vec2", "hubert", "unispeech-sat"),
    activations: tuple[str, ...] = ("gelu",),
) -> BackboneConfig:
    """Reads the backbone's part of transformers' config.json, with transformers' defaults.

    Args:
        fields: fields of the file.
        kinds: accepted values of `model_type`.
        activations: accepted activations of the layers.

    Raises:
        UserError: if it is of another kind, or has a part that is not supported.
    """
    fields.text("model_type", "", kinds)
    # only HuBERT can lack these
    fields.require(fields.flag("feat_proj_layer_norm", True), "feat_proj_layer_norm", "true")
    fields.require(not fields.flag("conv_pos_batch_norm", False), "conv_pos_batch_norm", "false")
    fields.text("hidden_act", "gelu", activations)
    fields.text("feat_extract_activation", "gelu", ("gelu",))
    fields.require(not fields.flag("add_adapter", False), "add_adapter", "false")
    fields.require(fields.content.get("adapter_attn_dim") is None, "adapter_attn_dim", "null")
    config = BackboneConfig(
        feat_extract_norm=fields.text("feat_extract_norm", "group", ("group", "layer")),
        conv_dim=fields.integers("conv_dim", (512,) * 7),
        conv_kernel=fields.integers("conv_kernel", (10, 3, 3, 3, 3, 2, 2)),
        conv_stride=fields.integers("conv_stride", (5, 2, 2, 2, 2, 2, 2)),
        conv_bias=fields.flag("conv_bias", False),
        hidden_size=fields.integer("hidden_size", 768, 1),
        num_hidden_layers=fields.integer("num_hidden_layers", 12, 0),
        num_attention_heads=fields.integer("num_attention_heads", 12, 1),
        intermediate_size=fields.integer("intermediate_size", 3072, 1),
        num_conv_pos_embeddings=fields.integer("num_conv_pos_embeddings", 128, 1),
        num_conv_pos_embedding_groups=fields.integer("num_conv_pos_embedding_groups", 16, 1),
        do_stable_layer_norm=fields.flag("do_stable_layer_norm", False),
        layer_norm_eps=fields.number("layer_norm_eps", 1e-5, 0.0, 1.0),
    )
    layers = len(config.conv_dim)
    for key in ("conv_kernel", "conv_stride"):
        fields.require(len(getattr(config, key)) == layers, key, f"a list of {layers} numbers")
    for key in ("num_attention_heads", "num_conv_pos_embedding_groups"):
        divides = config.hidden_size % getattr(config, key) == 0
        fields.require(divides, key, f"a divisor of hidden_size, {config.hidden_size}")
    return config


def empty_backbone(config: BackboneConfig) -> Wav2Vec2Model:
    """Builds a backbone with uninitialised tensors; `fill_backbone` fills them."""
    with _WithoutInitialisation():
        model = wav2vec2_model(
            extractor_mode=f"{config.feat_extract_norm}_norm",
            extractor_conv_layer_config=list(
                zip(config.conv_dim, config.conv_kernel, config.conv_stride, strict=True)
            ),
            extractor_conv_bias=config.conv_bias,
            encoder_embed_dim=config.hidden_size,
            encoder_projection_dropout=0.0,
            encoder_pos_conv_kernel=config.num_conv_pos_embeddings,
            encoder_pos_conv_groups=config.num_conv_pos_embedding_groups,
            encoder_num_layers=config.num_hidden_layers,
            encoder_num_heads=config.num_attention_heads,
            encoder_attention_dropout=0.0,
            encoder_ff_interm_features=config.intermediate_size,
            encoder_ff_interm_dropout=0.0,
            encoder_dropout=0.0,
            encoder_layer_norm_first=config.do_stable_layer_norm,
            encoder_layer_drop=0.0,
            aux_num_out=None,
        )
        position = model.encoder.transformer.pos_conv_embed
        torch.nn.utils.parametrize.remove_parametrizations(position.conv, "weight")
    for part in (model.encoder.feature_projection, model.encoder.transformer):
        for module in part.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = config.layer_norm_eps
    model.eval()
    assert isinstance(model, Wav2Vec2Model)
    return model


def backbone_shapes(model: Wav2Vec2Model) -> dict[str, torch.Size]:
    """Returns the shape of every tensor that the backbone needs, by transformers' name."""
    return {_public_name(name): value.shape for name, value in model.state_dict().items()}


def fill_backbone(model: Wav2Vec2Model, tensors: Mapping[str, Tensor]) -> None:
    """Fills an empty backbone with the tensors that `backbone_shapes` names."""
    state = {name: tensors[_public_name(name)] for name in model.state_dict()}
    model.load_state_dict(state, assign=True)
    model.requires_grad_(False)


def fold_position_norm(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Replaces the weight norm of the positional convolution by its plain weight.

    Args:
        tensors: tensors by transformers' names, each with `prefix` before it.
        prefix: prefix of the names, "wav2vec2." in a classifier's file.
    """
    folded = dict(tensors)
    for pair in POSITION_NORMS:
        names = [prefix + name for name in pair]
        if all(name in folded for name in names):
            magnitude, direction = (folded.pop(name) for name in names)
            norm = direction.norm(dim=(0, 1), keepdim=True)
            folded[prefix + POSITION_WEIGHT] = direction * (magnitude / norm)
    return folded


def _public_name(name: str) -> str:
    for public, inner in _PREFIXES.items():
        if name.startswith(inner):
            return public + name.removeprefix(inner)
    raise AssertionError(name)
