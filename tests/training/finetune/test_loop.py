import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dfd.errors import UserError
from dfd.training.finetune import stage as running
from dfd.training.finetune.loop import class_weights, describe, fit
from dfd.training.finetune.network import build_classifier
from dfd.training.finetune.recipe import TOP4_MLP, TWO_STAGE, FinetuneRecipe, Stage
from dfd.training.finetune.stage import FitContext, Progress, make_optimizer
from dfd.training.finetune.state import BEST, CHECKPOINT, Standing
from dfd.training.material.clips import Clips, scan
from dfd.training.material.splits import corpus_splits
from dfd.training.run.tracking import Tracker
from dfd.training.weights.pretrained import load_backbone

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

HEAD, TOP = TWO_STAGE.stages
SMALL = dataclasses.replace(
    TWO_STAGE,
    clip_samples=16_000,
    hop_samples=8_000,
    stages=(
        dataclasses.replace(HEAD, epochs=1, batch=4, precision="fp32"),
        dataclasses.replace(TOP, epochs=2, batch=2, accumulate=2, precision="fp32"),
    ),
)


@pytest.fixture(scope="module")
def clips(corpus: Path) -> tuple[Clips, Clips]:
    splits = corpus_splits(corpus)
    return scan(splits.train, corpus, "train", workers=1), scan(
        splits.dev, corpus, "dev", workers=1
    )


def run(
    recipe: FinetuneRecipe,
    backbone: Path,
    clips: tuple[Clips, Clips],
    out: Path,
    *,
    resume: bool = False,
    report: Callable[[Progress], None] | None = None,
) -> tuple[Standing, list[Progress]]:
    seen: list[Progress] = []
    model = build_classifier(load_backbone(str(backbone)), recipe, 5)
    context = FitContext(out, torch.device("cpu"), 5, 2, Tracker(), report or seen.append)
    identity = {"recipe": describe(recipe), "seed": 5}
    return fit(model, recipe, *clips, identity, context, resume=resume), seen


class StoppedError(Exception):
    pass


@pytest.mark.parametrize(("stage", "step"), [("head", 2), ("top", 1), ("top", 4)])
def test_a_resumed_run_equals_an_unbroken_one(
    stage: str,
    step: int,
    base_backbone: Path,
    clips: tuple[Clips, Clips],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "CHECKPOINT_EVERY_STEPS", 1)

    def stop(progress: Progress) -> None:
        if (progress.stage, progress.step) == (stage, step):
            raise StoppedError

    standing, seen = run(SMALL, base_backbone, clips, tmp_path / "whole")
    with pytest.raises(StoppedError):
        run(SMALL, base_backbone, clips, tmp_path / "broken", report=stop)
    resumed, rest = run(SMALL, base_backbone, clips, tmp_path / "broken", resume=True)
    assert len(rest) == len(seen) - [(one.stage, one.step) for one in seen].index((stage, step)) - 1
    assert resumed == standing
    last = [
        torch.load(tmp_path / name / CHECKPOINT, weights_only=True) for name in ("whole", "broken")
    ]
    for name, value in last[0]["tensors"].items():
        assert value.equal(last[1]["tensors"][name]), name
    logs = [(tmp_path / name / "log.jsonl").read_text() for name in ("whole", "broken")]
    assert logs[0] == logs[1]


def test_a_checkpoint_of_other_options_is_refused(
    base_backbone: Path, clips: tuple[Clips, Clips], tmp_path: Path
) -> None:
    one = dataclasses.replace(SMALL, stages=SMALL.stages[:1])
    run(one, base_backbone, clips, tmp_path)
    other = dataclasses.replace(one, noise_chance=0.1)
    with pytest.raises(UserError, match="a run with other recipe"):
        run(other, base_backbone, clips, tmp_path, resume=True)
    (tmp_path / CHECKPOINT).write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match="is not a checkpoint of dfd train"):
        run(one, base_backbone, clips, tmp_path, resume=True)


def test_the_best_evaluation_is_kept(
    base_backbone: Path,
    clips: tuple[Clips, Clips],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figures = iter([0.4, 0.2, 0.3, 0.2, 0.1])
    monkeypatch.setattr(running, "figures", lambda *_: {"eer": next(figures), "auc": 0.5})
    stage = dataclasses.replace(
        SMALL.stages[1], epochs=9, patience=2, evaluate_every_steps=1, learning_rate=1e-2
    )
    recipe = dataclasses.replace(SMALL, stages=(stage,))
    kept = {}

    def keep(progress: Progress) -> None:
        kept[progress.step] = load_file(tmp_path / BEST)["classifier.weight"]

    standing, _ = run(recipe, base_backbone, clips, tmp_path, report=keep)
    # the second 0.2 is no improvement, so patience ends there, before 0.1
    assert list(kept) == [1, 2, 3, 4]
    assert (standing.best, standing.best_at) == (0.2, "stage top, step 2")
    assert not kept[1].equal(kept[2])
    assert kept[2].equal(kept[4])


def test_higher_is_better_for_auc(
    base_backbone: Path,
    clips: tuple[Clips, Clips],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figures = iter([0.7, 0.9, 0.8])
    monkeypatch.setattr(running, "figures", lambda *_: {"eer": 0.5, "auc": next(figures)})
    stage = dataclasses.replace(SMALL.stages[0], epochs=3)
    recipe = dataclasses.replace(SMALL, stages=(stage,), best_by="auc")
    standing, seen = run(recipe, base_backbone, clips, tmp_path)
    assert standing.best == 0.9
    assert [one.step for one in seen if one.dev] == [3, 6, 9]


def test_class_weights(clips: tuple[Clips, Clips]) -> None:
    train = clips[0]
    uneven = Clips(train.recordings[:3], train.root, train.lengths[:3])
    made = class_weights(TWO_STAGE, uneven)
    assert made is not None
    assert made.tolist() == pytest.approx([3 / 4, 3 / 2])
    fixed = class_weights(TOP4_MLP, uneven)
    assert fixed is not None
    assert fixed.tolist() == [3.0, 1.0]
    assert class_weights(dataclasses.replace(TWO_STAGE, class_weights="none"), uneven) is None


def test_class_weights_weight_the_loss(
    base_backbone: Path, clips: tuple[Clips, Clips], tmp_path: Path
) -> None:
    stage = dataclasses.replace(SMALL.stages[0], epochs=1, batch=12)
    losses = {}
    for weights in ((1.0, 1.0), (1.0, 1000.0)):
        recipe = dataclasses.replace(SMALL, stages=(stage,), class_weights=weights)
        model = build_classifier(load_backbone(str(base_backbone)), recipe, 5)
        with torch.no_grad():  # predicts bona fide for any input
            head = model.classifier
            assert isinstance(head, torch.nn.Linear)
            head.weight.zero_()
            head.bias.copy_(torch.tensor([2.0, 0.0]))
        context = FitContext(tmp_path, torch.device("cpu"), 5, 1, Tracker(), lambda _progress: None)
        losses[weights] = fit(model, recipe, *clips, {}, context, resume=False).loss
    human, spoof = 0.12693, 2.12693
    assert losses[1.0, 1.0] == pytest.approx((human + spoof) / 2, abs=1e-4)
    assert losses[1.0, 1000.0] == pytest.approx((human + 1000 * spoof) / 1001, abs=1e-4)


def test_accumulation_is_a_larger_batch(
    base_backbone: Path, clips: tuple[Clips, Clips], tmp_path: Path
) -> None:
    weights = []
    for batch, accumulate in ((12, 1), (6, 2), (5, 3)):
        stage = dataclasses.replace(SMALL.stages[0], batch=batch, accumulate=accumulate)
        recipe = dataclasses.replace(
            SMALL, stages=(stage,), class_weights="none", noise_chance=0.0, start="start"
        )
        _, seen = run(recipe, base_backbone, clips, tmp_path / str(batch))
        assert len(seen) == 1
        weights.append(load_file(tmp_path / str(batch) / BEST)["classifier.weight"])
    # one step on all clips; batches of 5, 5 and 2 weight the clips differently
    assert torch.allclose(weights[0], weights[1], atol=1e-6)
    assert not torch.allclose(weights[0], weights[2], atol=1e-6)


def test_a_loss_that_is_not_finite_ends_the_run(
    base_backbone: Path, clips: tuple[Clips, Clips], tmp_path: Path
) -> None:
    stage = dataclasses.replace(SMALL.stages[1], learning_rate=1e30, warm_up=0.0, epochs=3)
    recipe = dataclasses.replace(SMALL, stages=(stage,))
    with pytest.raises(UserError, match=r"diverged.*learning_rate"):
        run(recipe, base_backbone, clips, tmp_path)


def test_weight_decay_applies_only_to_matrices() -> None:
    parameters = [torch.nn.Parameter(torch.zeros(2, 2)), torch.nn.Parameter(torch.zeros(2))]
    stage = Stage("top", epochs=1, batch=1, learning_rate=1.0, decay="matrices")
    groups = make_optimizer(parameters, stage).param_groups
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0]
    assert groups[0]["params"] == parameters[:1]
    every = make_optimizer(parameters, dataclasses.replace(stage, decay="all")).param_groups
    assert [group["weight_decay"] for group in every] == [0.01]


def test_mixed_precision_trains(
    base_backbone: Path, clips: tuple[Clips, Clips], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "precision_of", lambda *_: torch.bfloat16)
    recipe = dataclasses.replace(SMALL, stages=(SMALL.stages[1],))
    _, seen = run(recipe, base_backbone, clips, tmp_path)
    assert [one.step for one in seen] == [1, 2, 3, 4, 5, 6]
    assert load_file(tmp_path / BEST)["classifier.weight"].dtype == torch.float32
    entry = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert 0 <= entry["eer"] <= 1
