import dataclasses
import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from dfd.detector.files.read import read_checkpoint
from dfd.detector.networks.light_cnn import Branch, Stage
from dfd.detector.networks.spectrogram import SpectrogramOptions
from dfd.detector.networks.whisper_stem import StemConfig, StemScoringNetwork
from dfd.training.bundled.banks import AlteredOptions, BankOptions
from dfd.training.bundled.batches import Batch, Drawing
from dfd.training.bundled.loop import Progress, spoof_targets
from dfd.training.bundled.network import NetworkOptions
from dfd.training.bundled.pipeline import train
from dfd.training.bundled.recipe import FitOptions, JoinedRecipe, Recipe
from dfd.training.bundled.stem import StemOptions
from tests.detector.authors import save_stages
from tests.detector.reference import transformers_log_odds

pytestmark = pytest.mark.slow

TEACHER = Recipe(
    "teacher",
    network=NetworkOptions(
        spectrogram=SpectrogramOptions(bands=13),
        branch=Branch(
            (Stage(4, 5, 5, frame_stride=2, feature_pool=2), Stage(4, frame_pool=2)), projected=8
        ),
    ),
    banks=BankOptions(codecs=False, spoken=0, copy_synthesis=(("mel-phase", 1.0),)),
    fit=FitOptions(
        steps=6,
        batch_seconds=6.0,
        warm_up_steps=2,
        evaluate_every_steps=3,
        crop_seconds=(1.0,),
        crop_weights=(1.0,),
    ),
)
TINY = JoinedRecipe(
    "joined",
    (
        dataclasses.replace(TEACHER, name="tiny", teachers=(TEACHER,), from_first_teacher=True),
        dataclasses.replace(
            TEACHER, name="other", drawing=Drawing(root_sources=True, paired_chance=0.5)
        ),
    ),
    stem=StemOptions(
        stages=StemConfig(states=12, heads=2, wide=20, hidden=1),
        hidden=3,
        members=2,
        altered=AlteredOptions(codec_chance=0.0),
        steps=20,
        batch=8,
    ),
)


@contextmanager
def bar(_title: str, _total: int) -> Iterator[Callable[[], None]]:
    yield lambda: None


def run(
    corpus: Path,
    out: Path,
    cache: Path,
    encoder: Path,
    *,
    report: Callable[[Progress], None] | None = None,
    resume: bool = False,
) -> list[Progress]:
    seen: list[Progress] = []
    train(
        TINY,
        corpus,
        out,
        cache_folder=cache,
        seed=3,
        device=torch.device("cpu"),
        bar=bar,
        report=report or seen.append,
        resume=resume,
        encoder=encoder,
    )
    return seen


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert TINY.stem is not None
    return save_stages(tmp_path_factory.mktemp("encoder") / "model.safetensors", TINY.stem.stages)


@pytest.fixture(scope="session")
def trained(
    corpus: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    cache, out = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("run")
    seen = run(corpus, out, cache, encoder)
    heard = [(entry.part, entry.step) for entry in seen if entry.dev]
    assert heard == [(part, step) for part in ("teacher", "tiny", "other") for step in (3, 6)]
    return out, cache


def test_writes_a_model_folder(trained: tuple[Path, Path]) -> None:
    transformers: Any = importlib.import_module("transformers")
    folder = trained[0] / "model"
    facts = json.loads((folder / "dfd.json").read_text())
    assert (facts["window_samples"], facts["padding"]) == (64_000, "mask")
    assert 0 <= facts["evidence_correlation"] <= 1
    assert 0 < facts["cumulative_threshold"] < 1
    backbone = transformers.Wav2Vec2Model.from_pretrained(folder)
    assert backbone(torch.randn(1, 16_000)).last_hidden_state.isfinite().all()
    assert json.loads((folder / "preprocessor_config.json").read_text())["do_normalize"] is False
    lines = (trained[0] / "tiny" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [3, 6]


def test_puts_the_stem_beside_the_networks(
    trained: tuple[Path, Path], encoder: Path, tmp_path: Path
) -> None:
    folder = trained[0] / "model"
    network = read_checkpoint(str(folder)).network
    assert isinstance(network, StemScoringNetwork)
    assert network.stem.hidden.out_features == 6
    stored = load_file(folder / "model.safetensors")
    assert stored["whisper_stem.layer.wide.weight"].dtype == torch.float16
    assert stored["whisper_stem.hidden.weight"].dtype == torch.float32
    windows = np.random.default_rng(8).normal(size=(2, 64_000)).astype(np.float32)
    expected = transformers_log_odds(folder, windows, (64_000, 40_000), mask=True)
    with torch.no_grad():
        found = network(torch.from_numpy(windows), torch.tensor([64_000, 40_000]))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_resumes_to_the_same_weights(
    corpus: Path, encoder: Path, trained: tuple[Path, Path], tmp_path: Path
) -> None:
    class StoppedError(Exception):
        pass

    def stop(progress: Progress) -> None:
        if (progress.part, progress.step) == ("tiny", 4):
            raise StoppedError

    with pytest.raises(StoppedError):
        run(corpus, tmp_path, trained[1], encoder, report=stop)
    seen = run(corpus, tmp_path, trained[1], encoder, resume=True)
    assert [(entry.part, entry.step) for entry in seen][:3] == [("tiny", at) for at in (4, 5, 6)]
    states = [
        torch.load(out / "tiny" / "checkpoint.pt", weights_only=True)["average"]
        for out in (trained[0], tmp_path)
    ]
    for name, value in states[0].items():
        assert torch.allclose(value, states[1][name], atol=1e-6), name
    stems = [load_file(out / "model" / "model.safetensors") for out in (trained[0], tmp_path)]
    for name, value in stems[0].items():
        assert torch.allclose(value, stems[1][name], atol=1e-4), name


def test_learns_from_its_teacher(corpus: Path, trained: tuple[Path, Path]) -> None:
    tiny = trained[0] / "tiny"
    folder = tiny / "teachers" / "teacher"
    assert len((folder / "log.jsonl").read_text().splitlines()) == 2
    first, last = (
        torch.load(out / "checkpoint.pt", weights_only=True)["average"] for out in (folder, tiny)
    )
    assert any(not torch.equal(value, last[name]) for name, value in first.items())


def test_teachers_share_the_target() -> None:
    class Sure(torch.nn.Module):
        def forward(self, waves: torch.Tensor, _lengths: torch.Tensor) -> torch.Tensor:
            return torch.full((len(waves),), 100.0)

    waves, taught = torch.zeros(2, 8), torch.tensor([True, True])
    batch = Batch(waves, waves, torch.tensor([8, 8]), torch.tensor([0, 1]), taught, taught)
    options = FitOptions(label_smoothing=0.1, teacher_share=0.5)
    assert spoof_targets(batch, (), options).tolist() == pytest.approx([0.1, 0.9])
    assert spoof_targets(batch, (Sure(),), options).tolist() == pytest.approx([0.55, 0.95])
    one = batch._replace(taught=torch.tensor([False, True]))
    assert spoof_targets(one, (Sure(),), options).tolist() == pytest.approx([0.1, 0.95])


def test_teachers_get_clean_crops() -> None:
    class Level(torch.nn.Module):
        def forward(self, waves: torch.Tensor, _lengths: torch.Tensor) -> torch.Tensor:
            return waves.mean(dim=1)

    clean = torch.full((2, 8), 100.0)
    taught = torch.tensor([True, True])
    batch = Batch(-clean, clean, torch.tensor([8, 8]), torch.tensor([0, 1]), taught, taught)
    said = spoof_targets(batch, (Level(),), FitOptions(teacher_share=1.0))
    assert said.tolist() == pytest.approx([1.0, 1.0])


def test_command_mistakes_are_one_line(corpus: Path, tmp_path: Path) -> None:
    from dfd.cli.train import command

    base = ["--corpus", str(corpus), "--out", str(tmp_path)]
    for more, message in (
        (["--recipe", "none"], "no recipe 'none'"),
        (["--device", "abacus"], '"abacus" is not a device'),
    ):
        result = CliRunner().invoke(command, [*base, *more])
        assert result.exit_code == 2
        assert message in result.output
        assert "Traceback" not in result.output
    result = CliRunner().invoke(command, ["--corpus", str(tmp_path), "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "has no manifest.tsv" in result.output


def test_evaluate_command(corpus: Path, trained: tuple[Path, Path], tmp_path: Path) -> None:
    from dfd.cli.evaluate import command

    manifest = tmp_path / "m.tsv"
    text = (corpus / "manifest.tsv").read_text()
    manifest.write_text(text + "gone.flac\tdev\tspoof\ttts:0\tmade/0\ts\t16000\t2\n")
    arguments = ["--manifest", str(manifest), "--audio-root", str(corpus), "--split", "dev"]
    arguments += ["--report", str(tmp_path / "o.json"), "--model", str(trained[0] / "model")]
    arguments += ["--device", "cpu", "--bootstrap", "10"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 3, result.output
    figures = json.loads((tmp_path / "o.json").read_text())
    assert figures["unreadable"]["files"] == ["gone.flac"]
    assert (figures["pooled"]["n_bonafide"], figures["pooled"]["n_spoof"]) == (6, 6)


def test_evaluate_mistakes_are_one_line(corpus: Path, tmp_path: Path) -> None:
    from dfd.cli.evaluate import command

    manifest = str(corpus / "manifest.tsv")
    for arguments in (
        ["--manifest", str(tmp_path / "none.tsv"), "--audio-root", str(corpus)],
        ["--manifest", manifest, "--audio-root", str(tmp_path / "none")],
        ["--manifest", manifest, "--audio-root", str(corpus), "--split", "eval"],
        ["--manifest", manifest, "--audio-root", str(corpus), "--model", str(tmp_path)],
        ["--manifest", manifest, "--audio-root", str(corpus), "--condition", "fax"],
    ):
        result = CliRunner().invoke(command, [*arguments, "--report", str(tmp_path / "o.json")])
        assert result.exit_code == 2, result.output
        assert "Traceback" not in result.output
        assert isinstance(result.exception, SystemExit)


def test_recipe_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TINY.name = "other"  # type: ignore[misc]
