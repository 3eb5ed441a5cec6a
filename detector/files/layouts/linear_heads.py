"""Classifiers that a training script saved as tensors: a backbone and a head, under any prefix.

The conventions of two kinds are known: a training checkpoint with one linear layer as its head
("two-stage"), and a bare state dict with two layers and GELU between them ("top4-mlp"). Other
combinations of these parts load too, if the operator or a card says which output is spoof.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from dfd.detector.files.card import CardDefaults, read_card
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.labels import spoof_column
from dfd.detector.files.layouts.state import StateDict
from dfd.detector.files.published import config_beside
from dfd.detector.files.tensors import listed, match_tensors
from dfd.detector.networks.backbone import (
    TRAINING_ONLY,
    backbone_shapes,
    empty_backbone,
    fill_backbone,
    fold_position_norm,
)
from dfd.detector.networks.head import LinearHead, MlpHead, OnMean, ProjectedMeanHead
from dfd.detector.networks.scoring import ScoringNetwork
from dfd.detector.overrides import ModelOverrides
from dfd.errors import UserError

TWO_STAGE, TOP4_MLP, OTHER = "two-stage", "top4-mlp", "state-dict"
_FIRST = "feature_extractor.conv_layers.0.conv.weight"
_PARTS = ("feature_extractor.", "feature_projection.", "encoder.")
_RATE_HZ = 16_000

# What the authors of each kind did; see docs/reference-systems.md.
_DEFAULTS = {
    TWO_STAGE: CardDefaults(utterance_score="mean"),
    TOP4_MLP: CardDefaults(utterance_score="first"),
    OTHER: CardDefaults(),
}

_LOGGER = logging.getLogger("dfd.detector")


@dataclass(frozen=True, slots=True)
class FoundHead:
    """A head recognised by the shapes of its tensors.

    Attributes:
        module: the head, without weights yet.
        names: parameter of the module -> its name in the file.
        words: description, for the log.
    """

    module: nn.Module
    names: dict[str, str]
    words: str


def read(found: StateDict, overrides: ModelOverrides) -> Checkpoint:
    """Reads a file of this kind.

    Raises:
        UserError: if there is no backbone or no head, tensors are left over or missing, or nothing
            says which output is spoof.
    """
    path, state, wrapped = found.path, dict(found.tensors), found.wrapped
    prefix = backbone_prefix(state, path)
    state = fold_position_norm(state, prefix)
    body = {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix) and name.removeprefix(prefix).startswith(_PARTS)
    }
    config, source = config_beside(body, path)
    unused = {prefix + name for name in TRAINING_ONLY}
    own_names = {prefix + name for name in body} | unused
    rest = {name: value for name, value in state.items() if name not in own_names}
    head = find_head(rest, config.hidden_size, path)
    _LOGGER.info(
        '%s: backbone under the prefix "%s", %d tensors; head %s',
        path,
        prefix,
        len(body),
        head.words,
    )
    layout = _layout(head.module, wrapped=wrapped)

    sha256 = found.sha256()
    card = read_card(
        path,
        name=found.name,
        version=sha256[:12],
        sample_rate_hz=_RATE_HZ,
        defaults=_DEFAULTS[layout],
        overrides=overrides,
    )
    column, spoof_label = _spoof_column(card.spoof_label, layout, path)
    config.check_window(card.window_samples, str(path))

    backbone = empty_backbone(config)
    shapes = {prefix + name: shape for name, shape in backbone_shapes(backbone).items()}
    own = head.module.state_dict()
    shapes |= {found: own[name].shape for name, found in head.names.items()}
    matched = match_tensors(state, shapes, path, unused=unused, source=source)
    fill_backbone(
        backbone,
        {name.removeprefix(prefix): value for name, value in matched.items() if name in own_names},
    )
    head.module.load_state_dict({name: matched[found] for name, found in head.names.items()})
    head.module.requires_grad_(False)
    network = ScoringNetwork(
        backbone,
        config,
        OnMean(head.module),
        layer_weights=None,
        spoof_column=column,
        normalize=card.normalize,
        mask=card.padding == "mask",
    )
    return Checkpoint(
        network=network,
        card=card,
        weights_sha256=sha256,
        least_samples=config.receptive_field,
        layout=layout,
        spoof_label=spoof_label,
    )


def backbone_prefix(names: Mapping[str, object], path: Path) -> str:
    """Returns the prefix of the backbone's names, such as "backbone.".

    Raises:
        UserError: if there is no Wav2Vec2, or more than one.
    """
    found = [
        name.removesuffix(_FIRST)
        for name in names
        if name.endswith(_FIRST) and name.removesuffix(_FIRST)[-1:] in ("", ".")
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(
            f"{path} has {len(found)} backbones, under {listed(found)}: save only the classifier"
        )
    raise UserError(
        f"{path} has no layout that can be read: its tensors are {listed(list(names))}, and a "
        f"classifier on a Wav2Vec2 would have one whose name ends in {_FIRST}; "
        "docs/which-detector.md lists the layouts"
    )


def find_head(tensors: Mapping[str, Tensor], hidden: int, path: Path) -> FoundHead:
    """Recognises the head by the shapes of the tensors that are not the backbone's.

    Args:
        tensors: these tensors, by name.
        hidden: size of the backbone's frames.
        path: path of the file, for messages.

    Raises:
        UserError: if there is no head of a known form, or tensors are left over.
    """
    if not tensors:
        raise UserError(
            f"{path} has no classifier beside the backbone: a pre-trained model is not yet a"
            " detector"
        )
    layers = {}
    for name, weight in tensors.items():
        stem = name.removesuffix(".weight")
        bias = tensors.get(f"{stem}.bias")
        if bias is None or name == stem or weight.ndim != 2:
            continue
        if bias.shape == weight.shape[:1]:
            layers[stem] = tuple(weight.shape)
    strange = [
        name
        for name in tensors
        if name.removesuffix(".weight") not in layers and name.removesuffix(".bias") not in layers
    ]
    if strange:
        raise UserError(
            f"{path} has {listed(strange)} left over, which belongs neither to a backbone nor to a "
            "head of linear layers"
        )
    shown = ", ".join(f"{stem} {list(reversed(shape))}" for stem, shape in layers.items())
    last = [stem for stem, (rows, _) in layers.items() if rows == 2]
    if len(layers) == 1 and last and layers[last[0]] == (2, hidden):
        return FoundHead(LinearHead(hidden, 2), _paired({"classifier": last[0]}), shown)
    if len(layers) == 2 and len(last) == 1:
        (first,) = [stem for stem in layers if stem != last[0]]
        inner = layers[first][0]
        if layers[first] == (inner, hidden) and layers[last[0]] == (2, inner):
            if first.rpartition(".")[2] == "projector":  # as in transformers, without activation
                names = _paired({"projector": first, "classifier": last[0]})
                return FoundHead(ProjectedMeanHead(hidden, inner, 2), names, shown)
            names = _paired({"hidden": first, "classifier": last[0]})
            return FoundHead(MlpHead(hidden, inner, 2), names, f"{shown}, GELU between them")
    raise UserError(
        f"{path}: its head is {shown} (inputs, outputs), but only heads of one or two layers from "
        f"{hidden} inputs to 2 outputs can be read"
    )


def _paired(layers: Mapping[str, str]) -> dict[str, str]:
    return {
        f"{own}.{part}": f"{found}.{part}"
        for own, found in layers.items()
        for part in ("weight", "bias")
    }


def _layout(head: nn.Module, *, wrapped: bool) -> str:
    if wrapped and isinstance(head, LinearHead):
        return TWO_STAGE
    if not wrapped and isinstance(head, MlpHead):
        return TOP4_MLP
    return OTHER


def _spoof_column(wanted: str | None, layout: str, path: Path) -> tuple[int, str]:
    if wanted is not None:
        return spoof_column({}, str(path), wanted)
    if layout == OTHER:
        raise UserError(
            f"{path} does not say which of its two outputs is spoof: use --spoof-label 0 or 1, or "
            'set "spoof_label" in a dfd.json next to it'
        )
    return 1, "1"
