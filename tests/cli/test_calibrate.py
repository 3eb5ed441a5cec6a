import json
import shutil
from pathlib import Path

import click.testing
import numpy as np
import pytest
import soundfile

from dfd.cli.main import cli
from dfd.detector import load_detector
from dfd.detector.files.bundled import bundled_folder
from dfd.detector.files.read import read_checkpoint
from dfd.detector.fusion import load_fusion
from dfd.evaluation.calibrate import LEAST_PEOPLE


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes calls of 2 s, each a different buzz in noise."""
    return buzzes(tmp_path_factory.mktemp("people"), 0.01)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes the same almost without noise."""
    return buzzes(tmp_path_factory.mktemp("machines"), 0.0001)


def buzzes(folder: Path, noise: float) -> Path:
    generator = np.random.default_rng(1)
    time = np.arange(32_000) / 16_000
    for index in range(LEAST_PEOPLE):
        pitch = generator.uniform(90.0, 240.0)
        buzz = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 12))
        samples = 0.05 * buzz + noise * generator.standard_normal(len(time))
        soundfile.write(folder / f"{index}.wav", samples, 16_000)
    return folder


def run(*arguments: str | Path) -> click.testing.Result:
    return click.testing.CliRunner().invoke(cli, ["calibrate", *map(str, arguments)])


def test_a_card_is_written_and_read(people: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(bundled_folder(), model)
    before = json.loads((model / "dfd.json").read_text())
    result = run("--model", model, "--people", people, "--min-speech-seconds", "0")
    assert result.exit_code == 0, result.stderr
    assert f"{LEAST_PEOPLE} human calls" in result.stdout
    assert "No calibration: it also takes synthetic calls" in result.stdout
    assert "h of human calls without an alert would." in result.stdout
    after = json.loads((model / "dfd.json").read_text())
    assert after["calibrated_on"]["calls_of_people"] == LEAST_PEOPLE
    assert after["calibration"] == before["calibration"]
    card = read_checkpoint(str(model)).card
    assert card.rolling_threshold == card.cumulative_threshold == after["rolling_threshold"]


def test_weights_of_a_fusion_are_written_and_read(
    model: Path, people: Path, machines: Path, tmp_path: Path
) -> None:
    """Two models with different calibrations: one command fits weights, another one uses them."""
    ours, other = tmp_path / "ours", tmp_path / "other"
    for folder, scale in ((ours, 0.5), (other, 0.25)):
        shutil.copytree(model, folder)
        path = folder / "dfd.json"
        card = json.loads(path.read_text())
        card |= {"name": folder.name, "calibration": {"scale": scale, "offset": 0.0}}
        path.write_text(json.dumps(card))
    both = f"{ours}+{other}"
    plain = ("--min-speech-seconds", "0", "--device", "cpu")
    # random weights see some difference, of either sign
    sides = [("--people", people, "--machines", machines)]
    sides.append(("--people", machines, "--machines", people))
    results = (run("--fuse", both, *side, *plain) for side in sides)
    result = next(one for one in results if one.exit_code == 0)
    assert result.stdout.startswith("Weights: ours ")
    fitted = json.loads((ours / "dfd.json").read_text())["fusion"]
    assert "fusion" not in json.loads((other / "dfd.json").read_text())
    fused = load_fusion(both, load_detector).spec
    assert {one.name: one.weight for one in fused.members} == fitted["weights"]
    assert fused.cumulative_threshold == fitted["threshold"]


def test_a_dry_run_writes_nothing(people: Path, tmp_path: Path) -> None:
    arguments = ("--people", people, "--min-speech-seconds", "0", "--dry-run", "--json")
    fitted = json.loads(run(*arguments).stdout)
    assert fitted["threshold"]["calls"] == LEAST_PEOPLE
    assert fitted["calibration"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "bundled is not a file or folder of yours: copy it"),
        (["--dry-run"], "1 human calls were scored: a threshold needs at least 20"),
        (["--fuse", "bundled"], "'bundled' does not name different models: write them as a+b"),
        (["--fuse", "bundled+no.pth"], "no.pth is not a file or folder of yours: copy it"),
    ],
)
def test_an_impossible_request_is_one_sentence(
    arguments: list[str], message: str, people: Path
) -> None:
    result = run("--people", people / "3.wav", "--min-speech-seconds", "0", *arguments)
    assert result.exit_code == 2
    # on a busy machine lines about waiting precede it
    told = [line for line in result.stderr.splitlines() if not line.endswith(" s so far")]
    assert told[0].startswith(f"dfd calibrate: {message}")
