import dataclasses
from pathlib import Path

import pytest
import torch

from dfd.errors import UserError
from dfd.training.finetune.freezing import freeze, set_training, trained_in_any, trained_names
from dfd.training.finetune.network import build_classifier
from dfd.training.finetune.recipe import TWO_STAGE, XLSR_HALF, FinetuneRecipe, Stage
from dfd.training.weights.pretrained import load_backbone

TOP = Stage("top", epochs=1, batch=2, learning_rate=1e-2, top_layers=1, parts=("encoder-norm",))


def with_stages(recipe: FinetuneRecipe, *stages: Stage) -> FinetuneRecipe:
    return dataclasses.replace(recipe, stages=stages)


def test_a_step_changes_only_the_named_parameters(base_backbone: Path) -> None:
    recipe = with_stages(TWO_STAGE, TOP)
    model = build_classifier(load_backbone(str(base_backbone)), recipe, 0)
    trained = freeze(model, TOP)
    set_training(model, TOP)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    logits = model(torch.randn(2, 16_000), torch.tensor([16_000, 9_000]))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()  # type: ignore[no-untyped-call]
    torch.optim.SGD(trained, lr=0.1).step()
    changed = {name for name, value in model.named_parameters() if not value.equal(before[name])}
    starts = ("classifier.", "backbone.encoder.layers.2.", "backbone.encoder.layer_norm.")
    wanted = {name for name in before if name.startswith(starts)}
    # softmax does not see the bias of the keys
    silent = {"backbone.encoder.layers.2.attention.k_proj.bias"}
    assert changed - silent == wanted - silent
    assert set(trained_names(model, TOP)) == wanted


def test_the_final_differences_come_from_any_stage(base_backbone: Path) -> None:
    head = Stage("head", epochs=1, batch=2, learning_rate=1e-2)
    recipe = with_stages(TWO_STAGE, TOP, head)
    model = build_classifier(load_backbone(str(base_backbone)), recipe, 0)
    assert trained_in_any(model, recipe) == trained_names(model, TOP)


def test_all_but_the_extractor_and_the_bottom(xlsr_backbone: Path) -> None:
    stage = dataclasses.replace(XLSR_HALF.stages[0], top_layers=1)
    recipe = with_stages(XLSR_HALF, stage)
    model = build_classifier(load_backbone(str(xlsr_backbone)), recipe, 0)
    frozen = {name for name, _ in model.named_parameters()} - set(trained_names(model, stage))
    starts = (
        "backbone.feature_extractor.",
        "backbone.encoder.layers.0.",
        "backbone.encoder.layers.1.",
    )
    assert frozen == {name for name, _ in model.named_parameters() if name.startswith(starts)}


def test_a_frozen_backbone_runs_as_in_inference(base_backbone: Path) -> None:
    head = Stage("head", epochs=1, batch=2, learning_rate=1e-2)
    model = build_classifier(load_backbone(str(base_backbone)), with_stages(TWO_STAGE, head), 0)
    waves, lengths = torch.randn(2, 16_000), torch.tensor([16_000, 16_000])
    set_training(model, head)
    assert torch.equal(model(waves, lengths), model(waves, lengths))
    set_training(model, TOP)
    assert not torch.equal(model(waves, lengths), model(waves, lengths))


def test_more_layers_than_there_are_is_one_line(base_backbone: Path) -> None:
    stage = dataclasses.replace(TOP, top_layers=4)
    with pytest.raises(UserError, match=r"--set stages\.top\.top_layers=3 or fewer"):
        build_classifier(load_backbone(str(base_backbone)), with_stages(TWO_STAGE, stage), 0)


def test_a_family_without_a_mask_is_one_line(base_backbone: Path) -> None:
    with pytest.raises(UserError, match="--set padding=zero"):
        build_classifier(load_backbone(str(base_backbone)), with_stages(XLSR_HALF, TOP), 0)
