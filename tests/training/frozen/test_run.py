"""Both recipes from data to the folders they write."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dfd.detector import load_detector
from dfd.errors import UserError
from dfd.evaluation.score_files import read_scores
from dfd.training.frozen import score
from dfd.training.frozen.embedding import Embedder
from dfd.training.frozen.features import extract
from dfd.training.frozen.recipe import FROZEN_RECIPES, ContrastiveOptions, FrozenRecipe
from dfd.training.frozen.saved import FrozenModel
from dfd.training.frozen.train import run
from dfd.training.material.clips import scan
from dfd.training.material.splits import corpus_splits
from dfd.training.run.options import RunOptions
from dfd.training.run.tracking import Tracker
from dfd.training.weights.pretrained import load_backbone
from tests.training.talk import silent_talk

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def small(name: str) -> FrozenRecipe:
    return dataclasses.replace(
        FROZEN_RECIPES[name],
        folds=2,
        held_out=0.34,
        contrastive=ContrastiveOptions(size=8, epochs=3),
    )


def train(recipe: FrozenRecipe, corpus: Path, backbone: Path, out: Path) -> str:
    options = RunOptions(out, out / "cache", torch.device("cpu"), 3, 2)
    splits = corpus_splits(corpus)
    return run(recipe, splits, str(backbone), options, Tracker(), silent_talk()[0])


@pytest.mark.parametrize("kind", ["base_backbone", "xlsr_backbone"])
def test_the_linear_part_is_served_and_the_whole_is_kept(
    kind: str, request: pytest.FixtureRequest, corpus: Path, tmp_path: Path
) -> None:
    backbone: Path = request.getfixturevalue(kind)
    recipe = small("frozen-logreg")
    told = train(recipe, corpus, backbone, tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert list(results) == ["logreg_all", "logreg_embeddings", "logreg_spectral"]
    assert results["logreg_all"]["c"] in recipe.c_grid
    assert set(results["logreg_all"]) == {"c", "cross_validated_auc", "held_out", "dev"}
    assert "logreg_spectral: C " in told
    assert "logreg_embeddings" in (tmp_path / "model" / "README.md").read_text()

    dev = scan(corpus_splits(corpus).dev, corpus, "dev", workers=1)
    kept = FrozenModel.load(tmp_path / "full")
    scores = kept.scores(dev)
    assert kept.regression.auc(
        extract(
            dev,
            Embedder(load_backbone(str(backbone))),
            recipe,
            device=torch.device("cpu"),
            workers=1,
        ).columns("all"),
        dev.labels,
    ) == pytest.approx(results["logreg_all"]["dev"]["auc"])
    assert scores.shape == (12,)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", list(FROZEN_RECIPES))
def test_the_detector_scores_as_the_regression(
    name: str, corpus: Path, xlsr_backbone: Path, tmp_path: Path
) -> None:
    """The folder ranks dev as results.json does: recordings are one window."""
    train(small(name), corpus, xlsr_backbone, tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    detector = load_detector(
        str(tmp_path / "model"), device="cpu", precision="fp32", batch_buckets=(4,), warm=False
    )
    dev = scan(corpus_splits(corpus).dev, corpus, "dev", workers=1)
    windows = np.zeros((12, 64_000), np.float32)
    for row in range(12):
        wave = dev.read(row)
        assert wave is not None
        windows[row, : wave.size] = wave
    llrs = detector.score(windows, dev.lengths)
    from dfd.evaluation.figures.metrics import auc

    key = "contrastive_logreg" if name == "contrastive" else "logreg_embeddings"
    assert auc(llrs.astype(np.float64), dev.labels) == pytest.approx(results[key]["dev"]["auc"])
    if name == "contrastive":
        assert 0 <= results["contrastive_centroids"]["dev"]["auc"] <= 1
        config = json.loads((tmp_path / "model" / "config.json").read_text())
        assert config["classifier_proj_size"] == 8


def test_as_published_within_one_split(corpus: Path, base_backbone: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(small("frozen-logreg"), fit_on="dev")
    train(recipe, corpus, base_backbone, tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results["logreg_all"]) == {"c", "cross_validated_auc", "held_out"}


def test_a_second_run_is_the_same(corpus: Path, base_backbone: Path, tmp_path: Path) -> None:
    told = [train(small("contrastive"), corpus, base_backbone, tmp_path) for _ in range(2)]
    assert told[0] == told[1]


def test_the_whole_scores_files_for_an_evaluation(
    corpus: Path, base_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(small("frozen-logreg"), corpus, base_backbone, tmp_path)
    manifest = tmp_path / "m.tsv"
    text = (corpus / "manifest.tsv").read_text()
    manifest.write_text(text + "gone.flac\tdev\tspoof\ttts:0\tmade/0\ts\t16000\t2\n")
    full, made = tmp_path / "full", tmp_path / "scores.txt"
    arguments = [str(full), "--out", str(made), "--audio-root", str(corpus), "--workers", "2"]
    score.main([*arguments, "--manifest", str(manifest), "--split", "dev"])
    lines, wanted = read_scores(made), read_scores(full / "scores-dev.txt")
    assert set(lines) == set(wanted)
    for name, line in wanted.items():
        assert lines[name].score == pytest.approx(line.score, abs=1e-4)
    assert "12 recordings, 1 unreadable" in capsys.readouterr().out
    for more, message in (
        ([], "name the trials"),
        (["--manifest", str(tmp_path / "none.tsv")], "cannot read the manifest"),
        (["--protocol", "in-the-wild", "--subset", "half"], "has no half"),
    ):
        with pytest.raises(SystemExit) as caught:
            score.main([*arguments, *more])
        assert caught.value.code == 2
        assert message in capsys.readouterr().err


def test_other_weights_than_it_was_made_on_are_refused(
    corpus: Path, base_backbone: Path, xlsr_backbone: Path, tmp_path: Path
) -> None:
    train(small("frozen-logreg"), corpus, base_backbone, tmp_path)
    dev = scan(corpus_splits(corpus).dev, corpus, "dev", workers=1)
    kept = FrozenModel.load(tmp_path / "full")
    with pytest.raises(UserError, match="does not have the weights"):
        kept.scores(dev, backbone=str(xlsr_backbone))
    (tmp_path / "full" / "frozen.json").write_text("{}")
    with pytest.raises(UserError, match="is not what dfd train wrote"):
        FrozenModel.load(tmp_path / "full")
