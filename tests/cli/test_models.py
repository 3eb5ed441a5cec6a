import json
from pathlib import Path

import click.testing
import pytest
import torch

from dfd.cli.main import cli
from dfd.detector.files.bundled import WEIGHTS_SHA256
from dfd.detector.files.digests import weights_sha256
from dfd.detector.speeds import remember_speed
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


def test_the_list_shows_what_was_measured_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFD_CACHE_DIR", str(tmp_path / "cache"))
    assert "windows/s" not in run("list").output
    remember_speed(WEIGHTS_SHA256, 123.4, batch=16, engine="torchscript", precision="fp32")
    shown = run("list").output
    assert "windows/s" in shown
    assert "123.4" in shown
    fetched = tmp_path / "models" / "aasist"
    fetched.mkdir(parents=True)
    (fetched / "aasist.pth").write_bytes(b"weights")
    remember_speed(
        weights_sha256("aasist"), 5.5, batch=1, engine="onnx", precision="fp32", device="cuda:0"
    )
    assert "5.5" not in run("list").output
    remember_speed(weights_sha256("aasist"), 5.5, batch=1, engine="onnx", precision="fp32")
    rows = [json.loads(line) for line in run("list", "--json").output.splitlines()]
    (aasist,) = [row for row in rows if row["name"] == "aasist"]
    assert aasist["windows_per_second"] == 5.5
    assert (aasist["measured"]["engine"], aasist["measured"]["batch"]) == ("onnx", 1)
    # other weights under the same name have not been measured
    (fetched / "aasist.pth").write_bytes(b"other weights")
    assert "5.5" not in run("list").output


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
