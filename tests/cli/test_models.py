import json
from pathlib import Path

import click.testing
import pytest
import torch

from dfd.cli.main import cli
from tests.detector.files.layouts.test_raw_waveform import rawnet2_state


@pytest.fixture(autouse=True)
def _no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFD_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def run(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(cli, ["models", *arguments])


def test_list() -> None:
    result = run("list")
    assert result.exit_code == 0
    for words in ("aasist-l", "antideepfake-mms-300m", "CC BY-NC-SA 4.0", "In-the-Wild 5.15"):
        assert words in result.output
    first = "aasist: from https://github.com/clovaai/aasist; figures: Jung et al., ICASSP 2022"
    assert first in result.output
    rows = [json.loads(line) for line in run("list", "--json").output.splitlines()]
    assert {"name", "page", "licence", "parameters", "eer", "eer_source", "tried"} <= set(rows[0])
    assert rows[0]["name"] == "aasist"


def test_inspect(tmp_path: Path) -> None:
    torch.save(rawnet2_state(), tmp_path / "net.pth")
    facts = json.loads(run("inspect", "--json", str(tmp_path / "net.pth")).stdout)
    assert (facts["layout"], facts["spoof_label"], facts["padding"]) == ("rawnet2", "0", "repeat")
    state = rawnet2_state()
    del state["fc2_gru.bias"]
    torch.save(state, tmp_path / "net.pth")
    result = run("inspect", str(tmp_path / "net.pth"))
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("dfd models inspect: ")
    assert "lacks fc2_gru.bias" in result.stderr


def test_pull_by_hand_is_one_sentence() -> None:
    result = run("pull", "sls")
    assert result.exit_code == 2
    assert "be downloaded by hand: get it from https://github.com/QiShanZhang" in result.stderr
