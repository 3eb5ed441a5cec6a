"""`dfd serve` with several models, as a process of its own."""

import json
import math
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from dfd.v1 import detection_pb2 as pb
from tests.cli.serving import Start, requests


def asking_for(name: str) -> list[pb.StreamingDetectRequest]:
    asked = requests(4.0)
    asked[0].config.model = name
    return asked


@pytest.mark.parametrize("how", ["flags", "environment", "file"])
def test_streams_choose_their_model(start: Start, model: Path, tmp_path: Path, how: str) -> None:
    if how == "flags":
        daemon = start("--model", "noop")
    elif how == "environment":
        daemon = start(models=(), environment={"DFD_SERVE_MODEL": f"{model},noop"})
    else:
        config = tmp_path / "dfd.toml"
        config.write_text(f'model = ["{model}", "noop"]\n')
        daemon = start("--config", str(config), models=())
    daemon.ready()
    info = daemon.stub().GetServerInfo(pb.GetServerInfoRequest())
    names = [one.name for one in info.models]
    assert names == [model.name, "noop"]
    for name in names:
        responses = list(daemon.stub().StreamingDetect(iter(asking_for(name)), timeout=60))
        assert responses[0].started.model.name == name
        scores = [r.window.window_score for r in responses if r.HasField("window")]
        assert all((score.spoof_llr == 0.0) == (name == "noop") for score in scores)
    told = subprocess.run(
        [sys.executable, "-m", "dfd", "info", "--server", daemon.address],
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(name in told.stdout for name in names)
    assert daemon.end() == 0


def test_a_fusion_and_a_cascade_by_their_command(start: Start, model: Path) -> None:
    both = f"{model.name}+noop"
    daemon = start("--model", "noop", "--fuse", both, "--cascade", f"noop+{model.name}")
    daemon.ready()
    for name in (both, f"noop-then-{model.name}"):
        responses = list(daemon.stub().StreamingDetect(iter(asking_for(name)), timeout=60))
        windows = [r.window for r in responses if r.HasField("window")]
        assert windows
        for window in windows:
            said = {one.model: one.spoof_llr for one in window.members}
            assert said.keys() == {model.name, "noop"}
            llr = said[model.name] / 2.0 if name == both else said[model.name]
            assert window.window_score.spoof_llr == pytest.approx(llr, abs=1e-6)
    told = subprocess.run(
        [sys.executable, "-m", "dfd", "info", "--server", daemon.address],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"0.5 x {model.name} + 0.5 x noop" in told.stdout
    assert daemon.end() == 0
    assert "by equal weights" in "".join(daemon.errors)


def test_recordings_are_scored_by_a_fusion(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"".join(r.audio.content for r in requests(4.0)[1:]))

    def scores(*arguments: str) -> list[float]:
        command = [sys.executable, "-m", "dfd", "detect", "--json", "--window-scores"]
        done = subprocess.run(
            [*command, "--min-speech-seconds", "0", *arguments, str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        found: list[float] = json.loads(done.stdout)["window_scores"]
        return found

    other = tmp_path / "other"
    shutil.copytree(model, other)
    card = json.loads((other / "dfd.json").read_text())
    calibration = {"scale": 1.0, "offset": 3.0}
    (other / "dfd.json").write_text(
        json.dumps(card | {"name": "other", "calibration": calibration})
    )
    alone, fused = scores("--model", str(model)), scores("--fuse", f"{model}+{other}")
    logits = [math.log(p / (1.0 - p)) for p in alone]
    shifted = [1.0 / (1.0 + math.exp(-(llr + 1.5))) for llr in logits]
    assert fused == pytest.approx(shifted, abs=1e-4)
