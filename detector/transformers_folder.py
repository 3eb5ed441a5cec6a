"""Reads `Wav2Vec2ForSequenceClassification` as transformers' `save_pretrained` writes it."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dfd.detector.backbone import (
    TRAINING_ONLY,
    backbone_shapes,
    empty_backbone,
    fill_backbone,
    fold_position_norm,
    read_config,
)
from dfd.detector.card import read_card
from dfd.detector.checkpoint import Checkpoint, digest
from dfd.detector.errors import DetectorError
from dfd.detector.head import ProjectedMeanHead
from dfd.detector.jsonfile import Fields, read_object
from dfd.detector.labels import spoof_column
from dfd.detector.network import ScoringNetwork

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
WEIGHTS = "model.safetensors"
ARCHITECTURE = "Wav2Vec2ForSequenceClassification"
_PREFIX = "wav2vec2."
_NAMED_AT_MOST = 3


def read(folder: Path) -> Checkpoint:
    """Reads a folder with config.json, preprocessor_config.json and model.safetensors.

    Padding follows the official advice where `dfd.json` does not say otherwise: models with
    `feat_extract_norm` "layer" take an attention mask, those with "group" see zeros.

    Raises:
        DetectorError: a file is missing or broken, or the model is of another kind.
    """
    fields = Fields(folder / CONFIG, read_object(folder / CONFIG))
    architectures = fields.content.get("architectures") or [ARCHITECTURE]
    fields.require(architectures == [ARCHITECTURE], "architectures", f'["{ARCHITECTURE}"]')
    config = read_config(fields)
    column = spoof_column(fields.nested("id2label").content, str(fields.path))
    projected = fields.integer("classifier_proj_size", 256, 1)
    weighted = fields.flag("use_weighted_layer_sum", False)
    preprocessor = Fields(folder / PREPROCESSOR, read_object(folder / PREPROCESSOR))
    rate = preprocessor.integer("sampling_rate", 16_000, 8_000, 48_000)
    normalize = preprocessor.flag("do_normalize", True)

    weights = folder / WEIGHTS
    tensors = fold_position_norm(read_tensors(weights), _PREFIX)
    sha256 = digest(weights)
    card = read_card(
        folder,
        name=folder.resolve().name,
        version=sha256[:12],
        sample_rate_hz=rate,
        padding="mask" if config.feat_extract_norm == "layer" else "zero",
    )
    if card.sample_rate_hz != rate:
        raise DetectorError(
            f"{folder}: dfd.json says {card.sample_rate_hz} Hz and {PREPROCESSOR} {rate} Hz; "
            "correct the wrong one"
        )
    if card.window_samples < config.receptive_field:
        raise DetectorError(
            f"{folder}: a window of {card.window_samples} samples gives not one frame; "
            f"window_samples has to be at least {config.receptive_field}"
        )

    backbone = empty_backbone(config)
    head = ProjectedMeanHead(config.hidden_size, projected, 2)
    shapes = {_PREFIX + name: shape for name, shape in backbone_shapes(backbone).items()}
    shapes |= {name: value.shape for name, value in head.state_dict().items()}
    if weighted:
        shapes["layer_weights"] = torch.Size([config.num_hidden_layers + 1])
    matched = match_tensors(tensors, shapes, weights)
    fill_backbone(
        backbone,
        {
            name.removeprefix(_PREFIX): value
            for name, value in matched.items()
            if name.startswith(_PREFIX)
        },
    )
    head.load_state_dict({name: matched[name] for name in head.state_dict()})
    head.requires_grad_(False)
    network = ScoringNetwork(
        backbone,
        config,
        head,
        layer_weights=matched["layer_weights"] if weighted else None,
        spoof_column=column,
        normalize=normalize,
        mask=card.padding == "mask",
    )
    return Checkpoint(network, card, sha256, config.receptive_field)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Reads a safetensors file, as float32.

    Raises:
        DetectorError: it is missing, truncated or no safetensors file.
    """
    if not path.exists():
        raise DetectorError(
            f"{path} is missing: bring the whole folder, with its weights as safetensors "
            "(save_pretrained writes them)"
        )
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise DetectorError(
            f"{path} is truncated or no safetensors file ({error}): bring it again"
        ) from None
    return {name: value.to(torch.float32) for name, value in tensors.items()}


def match_tensors(
    tensors: Mapping[str, Tensor], shapes: Mapping[str, torch.Size], path: Path
) -> dict[str, Tensor]:
    """Gives the wanted tensors, and makes sure that nothing is missing or left over.

    Raises:
        DetectorError: naming the first few that are missing, left over, of another size
            than config.json says, or not finite.
    """
    unused = {_PREFIX + name for name in TRAINING_ONLY}
    missing = [name for name in shapes if name not in tensors]
    leftover = [name for name in tensors if name not in shapes and name not in unused]
    if missing or leftover:
        said = [f"misses {_listed(missing)}"] if missing else []
        said += [f"has {_listed(leftover)} left over"] if leftover else []
        raise DetectorError(
            f"{path} {' and '.join(said)}: it does not belong to the {CONFIG} beside it"
        )
    resized = [name for name, shape in shapes.items() if tensors[name].shape != shape]
    if resized:
        name = resized[0]
        raise DetectorError(
            f"{path}: {name} has the size {list(tensors[name].shape)} where {CONFIG} says "
            f"{list(shapes[name])}: the two files do not belong together"
        )
    broken = [name for name in shapes if not bool(torch.isfinite(tensors[name]).all())]
    if broken:
        raise DetectorError(
            f"{path}: {_listed(broken)} holds NaN or infinity: the training went wrong, "
            "bring an earlier checkpoint"
        )
    return {name: tensors[name] for name in shapes}


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
