"""`dfd serve` with several models, as a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from dfd.v1 import detection_pb2 as pb
from tests.cli.test_serve import Start, model, requests, start

__all__ = ["model", "start"]  # fixtures


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
