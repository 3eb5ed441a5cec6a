import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dfd.cli.train import REFERENCE, command
from tests.tiny_corpus import make_corpus
from tests.training.backbones import make_backbone
from tests.training.material.test_splits import lay_out

pytestmark = pytest.mark.slow

SMALL = ["--set", "stages.top.top_layers=1", "--set", "stages.top.epochs=1"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_backbone(tmp_path_factory.mktemp("backbone"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_the_recipes_match_those_of_the_package() -> None:
    from dfd.training.reference import PUBLISHED_BACKBONES

    assert set(REFERENCE) == set(PUBLISHED_BACKBONES)


def test_from_a_protocol_to_a_model(corpus: Path, backbone: Path, tmp_path: Path) -> None:
    root, out = lay_out(corpus, tmp_path / "la"), tmp_path / "out"
    options = tmp_path / "o.toml"
    options.write_text("head_size = 8\nhead_dropout = 0.2\n")
    arguments = ["--recipe", "top4-mlp", "--protocol", "asvspoof2019-la", "--data", root]
    arguments += ["--backbone", backbone, "--out", out, "--options", options, "--workers", 2]
    result = run(*arguments, "--device", "cpu", "--threads", 1, *SMALL)
    assert result.exit_code == 0, result.output
    assert "top 2/2: loss" in result.output
    assert result.output.rstrip().endswith(str(out / "model"))
    assert (out / "model" / "best.pt").exists()
    assert "asvspoof2019-la" in (out / "model" / "README.md").read_text()
    assert list((out / "tensorboard").iterdir())
    again = run(*arguments, "--device", "cpu", *SMALL, "--resume", "--set", "head_size=9")
    assert again.exit_code == 2
    assert "a run with other recipe" in again.output


def test_frozen_features(corpus: Path, backbone: Path, tmp_path: Path) -> None:
    arguments = ["--recipe", "frozen-logreg", "--corpus", corpus, "--backbone", backbone]
    arguments += ["--out", tmp_path, "--set", "folds=2", "--set", "held_out=0.34"]
    result = run(*arguments, "--no-tensorboard", "--device", "cpu", "--threads", 1)
    assert result.exit_code == 0, result.output
    assert "logreg_all: C " in result.output
    assert "logreg_all" in json.loads((tmp_path / "results.json").read_text())
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "none", "--corpus", "CORPUS"], "no recipe 'none'; choose from: bundled, two"),
        (["--recipe", "two-stage"], "name the data: --corpus FOLDER, or --protocol"),
        (["--recipe", "two-stage", "--protocol", "asvspoof2019-la"], "--data go together"),
        (["--protocol", "asvspoof2019-la", "--data", "CORPUS"], "needs --corpus"),
        (
            ["--recipe", "two-stage", "--protocol", "asvspoof2019-la", "--data", "CORPUS"],
            "train.trn.txt",
        ),
        (
            ["--recipe", "two-stage", "--corpus", "CORPUS", "--backbone", "/none"],
            "there is no backbone folder /none",
        ),
        (
            ["--recipe", "two-stage", "--corpus", "CORPUS", "--set", "epochs=3"],
            "no option epochs; choose from:",
        ),
        (
            ["--recipe", "top4-mlp", "--corpus", "CORPUS", "--backbone", "BACKBONE"],
            "--set stages.top.top_layers=3 or fewer",
        ),
        (
            ["--recipe", "xlsr-half", "--corpus", "CORPUS", "--backbone", "BACKBONE", *SMALL],
            "takes no attention mask",
        ),
        (["--recipe", "two-stage", "--corpus", "CORPUS", "--device", "abacus"], "is not a device"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, corpus: Path, backbone: Path, tmp_path: Path
) -> None:
    places = {"CORPUS": str(corpus), "BACKBONE": str(backbone)}
    result = run(*(places.get(one, one) for one in arguments), "--out", tmp_path)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)
