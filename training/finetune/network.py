"""The network of a recipe: its head on a backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from dfd.detector.networks.head import ProjectedMeanHead
from dfd.errors import UserError
from dfd.training.finetune.recipe import FinetuneRecipe
from dfd.training.weights.classifier import Classifier

if TYPE_CHECKING:
    from dfd.training.weights.pretrained import Backbone


def build_classifier(backbone: Backbone, recipe: FinetuneRecipe, seed: int) -> Classifier:
    """Builds the network of a recipe on a backbone; the head's weights are drawn from `seed`.

    Raises:
        UserError: if a stage trains more layers than the backbone has, or the recipe gives an
            attention mask to a backbone that takes none.
    """
    config: Any = backbone.model.config
    for stage in recipe.stages:
        if stage.top_layers > config.num_hidden_layers:
            raise UserError(
                f"the recipe trains the top {stage.top_layers} layers and {backbone.name} has "
                f"{config.num_hidden_layers}: use --set "
                f"stages.{stage.name}.top_layers={config.num_hidden_layers} or fewer"
            )
    if recipe.padding == "mask" and not backbone.masks:
        raise UserError(
            f"{backbone.name} takes no attention mask (feat_extract_norm is group): use "
            "--set padding=zero"
        )
    torch.manual_seed(seed)
    return Classifier(
        backbone.model,
        make_head(recipe, config.hidden_size),
        normalised=recipe.normalise,
        masked=recipe.padding == "mask",
    )


def make_head(recipe: FinetuneRecipe, hidden: int) -> nn.Module:
    """Returns a new head for mean frames (B, hidden)."""
    if recipe.head == "linear":
        return nn.Linear(hidden, 2)
    if recipe.head == "projected":
        return ProjectedMeanHead(hidden, recipe.head_size, 2)
    return nn.Sequential(
        nn.Linear(hidden, recipe.head_size),
        nn.GELU(),
        nn.Dropout(recipe.head_dropout),
        nn.Linear(recipe.head_size, 2),
    )
