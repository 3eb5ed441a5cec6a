"""Writes a trained classifier as files that `--model` reads."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dfd.detector.networks.head import ProjectedMeanHead
from dfd.evaluation.audio import SAMPLE_RATE_HZ
from dfd.training.weights.classifier import Classifier

LABELS = {0: "bonafide", 1: "spoof"}


def write_transformers(model: Classifier, facts: dict[str, Any], folder: Path) -> None:
    """Writes a `Wav2Vec2ForSequenceClassification` folder with `dfd.json`.

    A linear head becomes the projection, and the classifier after it the identity: both are
    affine, so the scores are the same.

    Raises:
        TypeError: if the head is not affine.
    """
    projector, classifier = _affine(model.classifier)
    write_affine(model.backbone, projector, classifier, facts, folder, normalised=model.normalised)


def write_affine(
    backbone: nn.Module,
    projector: nn.Linear,
    classifier: nn.Linear,
    facts: dict[str, Any],
    folder: Path,
    *,
    normalised: bool,
) -> None:
    """Writes a backbone followed by two affine maps, with the mean over time between them."""
    from transformers import Wav2Vec2ForSequenceClassification

    source: Any = backbone
    config = copy.deepcopy(source.config)
    config.num_labels = 2
    config.id2label = dict(LABELS)
    config.label2id = {label: column for column, label in LABELS.items()}
    config.classifier_proj_size = projector.out_features
    config.use_weighted_layer_sum = False
    make: Any = Wav2Vec2ForSequenceClassification
    whole = make(config).eval()
    whole.wav2vec2.load_state_dict(source.state_dict())
    whole.projector.load_state_dict(projector.state_dict())
    whole.classifier.load_state_dict(classifier.state_dict())
    folder.mkdir(parents=True, exist_ok=True)
    whole.save_pretrained(folder)
    write_preprocessor(folder, normalised=normalised, masked=facts["padding"] == "mask")
    write_facts(folder, facts)


def write_preprocessor(folder: Path, *, normalised: bool, masked: bool) -> None:
    """Writes `preprocessor_config.json`."""
    from transformers import Wav2Vec2FeatureExtractor

    make: Any = Wav2Vec2FeatureExtractor
    make(
        feature_size=1,
        sampling_rate=SAMPLE_RATE_HZ,
        padding_value=0.0,
        do_normalize=normalised,
        return_attention_mask=masked,
    ).save_pretrained(folder)


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Writes `dfd.json`."""
    (folder / "dfd.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def state_of(model: Classifier) -> dict[str, Tensor]:
    """Returns every tensor under the reference systems' names: `backbone.*`, `classifier.*`."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def write_state(
    model: Classifier, facts: dict[str, Any], path: Path, *, books: dict[str, Any] | None = None
) -> None:
    """Writes a state dict with the backbone's config.json and `dfd.json` beside it.

    Alone it has the layout of reference system C; with `books` (epoch, best EER and so on) it is
    the `model_state_dict` of a checkpoint in the layout of system A. It is safe to load.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    state = state_of(model)
    torch.save(state if books is None else {**books, "model_state_dict": state}, path)
    config: Any = model.backbone.config
    config.save_pretrained(path.parent)
    write_preprocessor(path.parent, normalised=model.normalised, masked=facts["padding"] == "mask")
    write_facts(path.parent, {**facts, "normalize": model.normalised})


def _affine(head: nn.Module) -> tuple[nn.Linear, nn.Linear]:
    if isinstance(head, ProjectedMeanHead):
        return head.projector, head.classifier
    if isinstance(head, nn.Linear):
        same = nn.Linear(2, 2)
        with torch.no_grad():
            same.weight.copy_(torch.eye(2))
            same.bias.zero_()
        return head, same
    raise TypeError(f"{type(head).__name__} is not an affine head")
