"""Each recipe from data to a folder with which the detector scores the same."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dfd.detector import load_detector
from dfd.errors import UserError
from dfd.evaluation.corpus import Recording
from dfd.training.finetune.network import build_classifier
from dfd.training.finetune.recipe import (
    FINETUNE_RECIPES,
    FinetuneRecipe,
)
from dfd.training.finetune.state import load_best
from dfd.training.finetune.train import run
from dfd.training.material.splits import Splits, corpus_splits
from dfd.training.run.options import RunOptions
from dfd.training.run.tracking import Tracker
from dfd.training.weights.classifier import scorer
from dfd.training.weights.pretrained import load_backbone
from tests.training.talk import silent_talk

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def shortened(name: str) -> FinetuneRecipe:
    recipe = FINETUNE_RECIPES[name]
    stages = tuple(
        dataclasses.replace(
            stage,
            epochs=1,
            batch=6,
            accumulate=1,
            top_layers=min(stage.top_layers, 2),
            learning_rate=1e-2,
            precision="fp32",
        )
        for stage in recipe.stages
    )
    return dataclasses.replace(recipe, stages=stages, head_size=12)


def options(out: Path, *, checkpoint: bool = False) -> RunOptions:
    return RunOptions(out, out / "cache", torch.device("cpu"), 3, 2, checkpoint=checkpoint)


@pytest.mark.parametrize("name", list(FINETUNE_RECIPES))
def test_the_written_model_scores_like_the_trained_one(
    name: str, corpus: Path, base_backbone: Path, xlsr_backbone: Path, tmp_path: Path
) -> None:
    recipe = shortened(name)
    backbone = xlsr_backbone if recipe.padding == "mask" else base_backbone
    talk, lines = silent_talk()
    splits = corpus_splits(corpus)
    told = run(recipe, splits, str(backbone), options(tmp_path, checkpoint=True), Tracker(), talk)
    assert told.startswith("dev EER ")
    assert any(line.startswith(f"{recipe.stages[-1].name} 2/2: loss") for line in lines)

    model = build_classifier(load_backbone(str(backbone)), recipe, 3)
    load_best(model, tmp_path)
    facts = json.loads((tmp_path / "model" / "dfd.json").read_text())
    draws = np.random.default_rng(0)
    windows = 0.1 * draws.standard_normal((3, 64_000)).astype(np.float32)
    windows += 0.05
    lengths = np.array([64_000, 64_000, 20_000])
    windows[2, 20_000:] = 0.0
    odds = scorer(model.eval(), torch.device("cpu"))(
        torch.from_numpy(windows), torch.from_numpy(lengths)
    )
    calibration = facts["calibration"]
    wanted = calibration["scale"] * odds.numpy() + calibration["offset"]

    places = [tmp_path / "model"]
    if name == "two-stage":
        places.append(tmp_path / "checkpoint" / "stage2_best.pt")
    for place in places:
        detector = load_detector(
            str(place), device="cpu", precision="fp32", batch_buckets=(1,), warm=False
        )
        assert detector.spec.padding == recipe.padding
        assert np.allclose(detector.score(windows, lengths), wanted, atol=2e-4), place


def test_the_card_states_data_figures_and_options(
    corpus: Path, base_backbone: Path, tmp_path: Path
) -> None:
    splits = corpus_splits(corpus)
    gone = Recording("gone.flac", 1, "train", source="made/9")
    splits = Splits("mine", corpus, (*splits.train, gone), splits.dev)
    talk, lines = silent_talk()
    run(shortened("top4-mlp"), splits, str(base_backbone), options(tmp_path), Tracker(), talk)
    card = (tmp_path / "model" / "README.md").read_text()
    for words in (
        "`dfd train --recipe top4-mlp`",
        "| data | mine |",
        "| seed | 3 |",
        "| dev EER |",
        "| train | made/0 | 3 | 3 |",
        "| train | made/9 | 0 | 1 |",
        "Unreadable and left out: 1 files.\n- `gone.flac`",
        '"learning_rate": 0.01',
    ):
        assert words in card, words
    assert "train: 1 files cannot be read and are left out" in lines
    assert "  gone.flac: does not exist: check the path" in lines


def test_no_audio_at_all_is_one_line(corpus: Path, base_backbone: Path, tmp_path: Path) -> None:
    splits = dataclasses.replace(corpus_splits(corpus), root=tmp_path)
    with pytest.raises(UserError, match=r"no recording below .* can be read"):
        run(
            shortened("top4-mlp"),
            splits,
            str(base_backbone),
            options(tmp_path),
            Tracker(),
            silent_talk()[0],
        )
