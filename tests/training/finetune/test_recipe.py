"""The published figures, and the published sizes of their networks."""

from typing import Any

import torch

from dfd.training.finetune.freezing import freeze
from dfd.training.finetune.network import make_head
from dfd.training.finetune.recipe import TOP4_MLP, TWO_STAGE, XLSR_HALF, FinetuneRecipe
from dfd.training.weights.classifier import Classifier


def at_true_size(recipe: FinetuneRecipe, **changes: Any) -> Classifier:
    """Makes the network without memory for its weights."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    config = Wav2Vec2Config(**changes)
    make: Any = Wav2Vec2Model
    with torch.device("meta"):
        head = make_head(recipe, config.hidden_size)
        return Classifier(make(config), head, normalised=True, masked=True)


def count(model: Classifier, recipe: FinetuneRecipe, stage: int) -> int:
    return sum(parameter.numel() for parameter in freeze(model, recipe.stages[stage]))


def test_xlsr_half_trains_160_million() -> None:
    model = at_true_size(
        XLSR_HALF,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        conv_bias=True,
    )
    assert round(count(model, XLSR_HALF, 0) / 1e6, 1) == 160.3


def test_two_stage_trains_the_head_and_then_two_layers() -> None:
    model = at_true_size(TWO_STAGE)
    head = 768 * 2 + 2
    layer = 4 * (768 * 768 + 768) + 2 * 768 * 3072 + 768 + 3072 + 4 * 768
    assert count(model, TWO_STAGE, 0) == head
    assert count(model, TWO_STAGE, 1) == head + 2 * layer + 2 * 768
    assert count(model, TOP4_MLP, 0) == head + 4 * layer


def test_published_figures() -> None:
    first, second = TWO_STAGE.stages
    assert (first.learning_rate, first.batch, first.epochs) == (1e-3, 32, 5)
    assert (second.learning_rate, second.batch, second.epochs) == (1e-5, 16, 10)
    assert (second.schedule, second.warm_up, second.gradient_clip) == ("linear", 0.1, 1.0)
    assert (second.patience, TWO_STAGE.class_weights) == (3, "frequency")
    (half,) = XLSR_HALF.stages
    assert (half.batch, half.accumulate, half.evaluate_every_steps) == (4, 4, 30)
    assert (half.learning_rate, half.epochs, half.patience) == (3e-5, 5, 3)
    assert (XLSR_HALF.best_by, XLSR_HALF.clip_samples) == ("auc", 13 * 16_000)
    (top,) = TOP4_MLP.stages
    assert (top.learning_rate, top.schedule, top.weight_decay) == (1e-5, "cosine", 1e-4)
    assert (top.batch, top.epochs, top.patience) == (8, 40, 12)
    assert (TOP4_MLP.class_weights, TOP4_MLP.noise_chance) == ((3.0, 1.0), 0.0)
