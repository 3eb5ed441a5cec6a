"""Which parameters a stage trains."""

from __future__ import annotations

from typing import Any

from torch import nn

from dfd.training.finetune.recipe import FinetuneRecipe, Stage
from dfd.training.weights.classifier import Classifier

_PARTS = {
    "extractor": "backbone.feature_extractor.",
    "projection": "backbone.feature_projection.",
    "positions": "backbone.encoder.pos_conv_embed.",
    "encoder-norm": "backbone.encoder.layer_norm.",
    "mask-embedding": "backbone.masked_spec_embed",
}


def trained_names(model: Classifier, stage: Stage) -> list[str]:
    """Returns the names of the parameters that a stage trains."""
    layers = len(_layers(model))
    starts = ["classifier."]
    starts += [f"backbone.encoder.layers.{n}." for n in range(layers - stage.top_layers, layers)]
    starts += [_PARTS[part] for part in stage.parts]
    return [name for name, _ in model.named_parameters() if name.startswith(tuple(starts))]


def trained_in_any(model: Classifier, recipe: FinetuneRecipe) -> list[str]:
    """Returns the names of the parameters that differ from the backbone's in the end."""
    names = {name for stage in recipe.stages for name in trained_names(model, stage)}
    return [name for name, _ in model.named_parameters() if name in names]


def freeze(model: Classifier, stage: Stage) -> list[nn.Parameter]:
    """Lets gradients reach only the parameters that a stage trains; returns these."""
    names = set(trained_names(model, stage))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)
    extractor: Any = model.backbone.feature_extractor
    # otherwise transformers' extractor requires gradients of its input, frozen or not
    extractor._requires_grad = "extractor" in stage.parts
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def set_training(model: Classifier, stage: Stage) -> None:
    """Turns on dropout, layer drop and SpecAugment masking as the backbone's config says.

    A backbone that is entirely frozen runs as in inference: the head learns from its features.
    """
    model.train()
    if stage.top_layers == 0 and not stage.parts:
        backbone: Any = model.backbone
        backbone.eval()


def _layers(model: Classifier) -> Any:
    backbone: Any = model.backbone
    return backbone.encoder.layers
