"""`dfd models load`, `activate` and `rollback` on a real daemon with a call on it."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dfd.v1 import detection_pb2 as pb
from tests.cli.serving import Start, requests


def models(daemon: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dfd", "models", *arguments, "--server", daemon.address]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_running_call_continues_with_another_model(
    start: Start, model: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(model, other)
    card = json.loads((other / "dfd.json").read_text())
    # the same network with an LLR offset of two towards spoof
    shifted = card | {"name": "shifted", "calibration": {"scale": 1.0, "offset": 2.0}}
    (other / "dfd.json").write_text(json.dumps(shifted))
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"no weights")

    daemon = start("--allow-admin")
    daemon.ready()
    asked = requests(6.0)
    window = asked[1:21]  # the same two seconds repeated
    more = threading.Semaphore(0)

    def sent() -> Iterator[pb.StreamingDetectRequest]:
        yield asked[0]
        for _ in range(4):
            more.acquire()
            yield from window

    call = daemon.stub().StreamingDetect(sent(), timeout=120)
    answers = iter(call)
    assert next(answers).HasField("started")

    def whole() -> float:
        """Returns the score of the next two seconds."""
        more.release()
        while True:
            answer = next(answers)
            if answer.HasField("window") and not answer.window.provisional:
                found = answer.window
                if found.start_offset.seconds % 2 == 0:
                    return float(found.window_score.spoof_llr)

    before = whole()
    refused = models(daemon, "load", str(broken))
    assert refused.returncode == 2
    assert refused.stderr.startswith("dfd models load: ")
    assert "Traceback" not in refused.stderr
    loaded = models(daemon, "load", str(other))
    assert loaded.returncode == 0, loaded.stderr
    assert "waiting: shifted" in loaded.stdout
    assert abs(whole() - before) < 1e-4
    activated = json.loads(models(daemon, "activate", "--json").stdout)
    assert activated["active"]["name"] == "shifted"
    assert abs(whole() - before - 2.0) < 1e-4
    assert f"active: {model.name}" in models(daemon, "rollback").stdout
    assert abs(whole() - before) < 1e-4
    rest = list(answers)
    assert rest[-1].HasField("summary")
    assert daemon.end() == 0
