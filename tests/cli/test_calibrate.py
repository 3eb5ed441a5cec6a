import json
import shutil
from pathlib import Path

import click.testing
import numpy as np
import pytest
import soundfile

from dfd.cli.main import cli
from dfd.detector.files.bundled import bundled_folder
from dfd.detector.files.read import read_checkpoint
from dfd.evaluation.calibrate import LEAST_PEOPLE


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls of 2 s, each a buzz of its own in noise."""
    folder = tmp_path_factory.mktemp("people")
    generator = np.random.default_rng(1)
    time = np.arange(32_000) / 16_000
    for index in range(LEAST_PEOPLE):
        pitch = generator.uniform(90.0, 240.0)
        buzz = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 12))
        samples = 0.05 * buzz + 0.01 * generator.standard_normal(len(time))
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
    after = json.loads((model / "dfd.json").read_text())
    assert after["calibrated_on"]["calls_of_people"] == LEAST_PEOPLE
    assert after["calibration"] == before["calibration"]
    card = read_checkpoint(str(model)).card
    assert card.rolling_threshold == card.cumulative_threshold == after["rolling_threshold"]


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
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str], message: str, people: Path
) -> None:
    result = run("--people", people / "3.wav", "--min-speech-seconds", "0", *arguments)
    assert result.exit_code == 2
    # on a busy machine what is waited for is told before
    told = [line for line in result.stderr.splitlines() if not line.endswith(" s so far")]
    assert told[0].startswith(f"dfd calibrate: {message}")
