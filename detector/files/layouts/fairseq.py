"""Backbones under fairseq's names: the wav2vec 2.0, XLS-R, MMS and HuBERT of detectors."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from dfd.detector.files.card import ModelCard
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.layouts.state import StateDict, log_recognised
from dfd.detector.files.layouts.whole_windows import spoof_output
from dfd.detector.files.published import config_beside
from dfd.detector.files.tensors import listed
from dfd.detector.networks.backbone import (
    BackboneConfig,
    backbone_shapes,
    empty_backbone,
    fill_backbone,
)
from dfd.detector.networks.scoring import VARIANCE_FLOOR, ScoringNetwork
from dfd.detector.overrides import MASK

ANCHOR = "feature_extractor.conv_layers.0.0.weight"
_POSITION = "encoder.pos_conv.0.weight"
# the names that versions of torch gave to weight normalisation: magnitude, direction
_POSITION_NORMS = (
    ("encoder.pos_conv.0.weight_g", "encoder.pos_conv.0.weight_v"),
    (
        "encoder.pos_conv.0.parametrizations.weight.original0",
        "encoder.pos_conv.0.parametrizations.weight.original1",
    ),
)
# used only in pre-training
_PRE_TRAINING = (
    "quantizer.",
    "input_quantizer.",
    "project_q.",
    "project_inp.",
    "final_proj.",
    "target_glu.",
    "mask_emb",
    "label_embs_concat",
)
# transformers' name -> fairseq's
_RULES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^feature_extractor\.conv_layers\.(\d+)\.conv\.", r"feature_extractor.conv_layers.\1.0."),
        (r"^feature_projection\.layer_norm\.", "layer_norm."),
        (r"^feature_projection\.projection\.", "post_extract_proj."),
        (r"^encoder\.pos_conv_embed\.conv\.", "encoder.pos_conv.0."),
        (r"^(encoder\.layers\.\d+)\.attention\.", r"\1.self_attn."),
        (r"^(encoder\.layers\.\d+)\.layer_norm\.", r"\1.self_attn_layer_norm."),
        (r"^(encoder\.layers\.\d+)\.feed_forward\.intermediate_dense\.", r"\1.fc1."),
        (r"^(encoder\.layers\.\d+)\.feed_forward\.output_dense\.", r"\1.fc2."),
    )
)
_NORM = re.compile(r"^feature_extractor\.conv_layers\.(\d+)\.layer_norm\.")


def fairseq_name(name: str, *, grouped: bool) -> str:
    """Returns fairseq's name of a backbone's tensor.

    Args:
        name: transformers' name.
        grouped: whether the extractor has a norm over time, in its first layer only.
    """
    place = r"feature_extractor.conv_layers.\1.2." + ("" if grouped else "1.")
    name = _NORM.sub(place, name)
    for pattern, replacement in _RULES:
        name = pattern.sub(replacement, name)
    return name


class _PublicNames(Mapping[str, Tensor]):
    """A file's backbone, looked up by transformers' names."""

    def __init__(self, tensors: Mapping[str, Tensor], prefix: str, *, grouped: bool) -> None:
        self._tensors = tensors
        self._prefix = prefix
        self._grouped = grouped

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[self._prefix + fairseq_name(name, grouped=self._grouped)]

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class FairseqBackbone:
    """The backbone of a file.

    Attributes:
        state: the file, with the norm of its positional convolution folded.
        prefix: prefix of its tensors' names.
        grouped: see `fairseq_name`.
        config: its sizes.
    """

    state: StateDict
    prefix: str
    grouped: bool
    config: BackboneConfig

    @property
    def unused(self) -> set[str]:
        """Names of the tensors that only pre-training used."""
        starts = tuple(self.prefix + start for start in _PRE_TRAINING)
        return {name for name in self.state.tensors if name.startswith(starts)}


def find_backbone(state: StateDict) -> FairseqBackbone:
    """Finds the backbone of a file that has one, and infers its sizes.

    Raises:
        UserError: if tensors are missing, or the sizes are not those of a published model.
    """
    prefix = state.prefix(ANCHOR)
    assert prefix is not None
    tensors = dict(state.tensors)
    for pair in _POSITION_NORMS:
        names = [prefix + name for name in pair]
        if all(name in tensors for name in names):
            magnitude, direction = (tensors.pop(name).float() for name in names)
            norm = direction.norm(dim=(0, 1), keepdim=True)
            tensors[prefix + _POSITION] = direction * (magnitude / norm)
    grouped = f"{prefix}feature_extractor.conv_layers.0.2.weight" in tensors
    public = _PublicNames(tensors, prefix, grouped=grouped)
    config, _ = config_beside(public, state.path)
    return FairseqBackbone(replace(state, tensors=tensors), prefix, grouped, config)


def read_on_backbone(
    found: FairseqBackbone,
    head: nn.Module,
    card: ModelCard,
    sha256: str,
    *,
    layout: str,
    words: str,
    head_name: Callable[[str], str],
    filled: nn.Module | None = None,
    unused: set[str] | None = None,
    gate: nn.Module | None = None,
    gate_name: Callable[[str], str] = str,
    variance_floor: float = VARIANCE_FLOOR,
) -> Checkpoint:
    """Fills backbone, head and gate from one file and assembles them.

    Args:
        found: the backbone.
        head: see `ScoringNetwork`.
        card: card of the model.
        sha256: digest of the file.
        layout: name of the layout.
        words: description of the network, for messages.
        head_name: a parameter of the head -> its name in the file.
        filled: the part of the head that has parameters; None means all of it.
        unused: names in the file that are ignored.
        gate: see `ScoringNetwork`.
        gate_name: a parameter of the gate -> its name in the file.
        variance_floor: see `ScoringNetwork`.

    Raises:
        UserError: if tensors are missing or left over, or a window is shorter than a frame.
    """
    state, config, prefix = found.state, found.config, found.prefix
    config.check_window(card.window_samples, str(state.path))
    pre_training = found.unused
    log_recognised(
        state,
        f'{words}; backbone under the prefix "{prefix}", '
        f"{config.num_hidden_layers} layers of {config.hidden_size}"
        + (f"; {listed(sorted(pre_training))} left from pre-training" if pre_training else ""),
    )
    backbone = empty_backbone(config)
    filled = head if filled is None else filled
    wanted: dict[str, Tensor] = {}
    names: dict[str, str] = {}

    def body_name(name: str) -> str:
        return prefix + fairseq_name(name, grouped=found.grouped)

    for part, tensors, name_of in (
        ("backbone", _by_public_name(backbone), body_name),
        ("head", filled.state_dict(), head_name),
        ("gate", {} if gate is None else gate.state_dict(), gate_name),
    ):
        for name, value in tensors.items():
            wanted[f"{part}:{name}"] = value
            names[f"{part}:{name}"] = name_of(name)
    matched = state.matched(
        wanted,
        "",
        unused=pre_training | (unused or set()),
        source=words,
        published_name=names.__getitem__,
    )
    fill_backbone(backbone, _part(matched, "backbone"))
    filled.load_state_dict(_part(matched, "head"))
    head.requires_grad_(False)
    if gate is not None:
        gate.load_state_dict(_part(matched, "gate"))
        gate.requires_grad_(False)
    column, label = spoof_output(state, card)
    network = ScoringNetwork(
        backbone,
        config,
        head,
        layer_weights=None,
        spoof_column=column,
        normalize=card.normalize,
        mask=card.padding == MASK,
        gate=gate,
        variance_floor=variance_floor,
    )
    return Checkpoint(
        network=network,
        card=card,
        weights_sha256=sha256,
        least_samples=config.receptive_field,
        layout=layout,
        spoof_label=label,
    )


def _by_public_name(backbone: Any) -> dict[str, Tensor]:
    """Returns a backbone's own tensors by transformers' names; only their shapes are used."""
    own = backbone.state_dict()
    shapes = backbone_shapes(backbone)
    return dict(zip(shapes, own.values(), strict=True))


def _part(matched: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    start = f"{part}:"
    return {
        name.removeprefix(start): value for name, value in matched.items() if name.startswith(start)
    }
