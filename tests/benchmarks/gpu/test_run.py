import json
import subprocess
import sys
from pathlib import Path

import pytest

from dfd.benchmarks.gpu import page, run
from dfd.benchmarks.gpu.notes import Notes, read


def test_a_part_runs_and_its_results_are_written(tmp_path: Path) -> None:
    options = ["--device=cpu", "--quick", "--part=environment", f"--out={tmp_path}"]
    assert run.main(options) == 0
    report = json.loads((tmp_path / "gpu-check.json").read_text())
    part = report["parts"]["environment"]
    assert part["status"] == "done"
    assert part["figures"]["peak_flops"]["fp32"] > 0
    assert "| environment | done |" in (tmp_path / "gpu-check.md").read_text()


def test_parts_that_exceed_the_budget_are_skipped_and_reported(tmp_path: Path) -> None:
    options = ["--device=cpu", "--budget-seconds=1", f"--out={tmp_path}"]
    assert run.main(options) == 1
    parts = json.loads((tmp_path / "gpu-check.json").read_text())["parts"]
    assert list(parts) == [kind.name for kind in run.PARTS]
    assert {part["status"] for part in parts.values()} == {"left out"}


def test_a_part_beyond_its_time_limit_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = run.Kind("daemon", 1.0, 1e9)
    monkeypatch.setattr(run, "PARTS", (run.Kind("environment", 0.01, 0.0), endless))
    assert run.main(["--device=cpu", "--quick", f"--out={tmp_path}"]) == 1
    part = json.loads((tmp_path / "gpu-check.json").read_text())["parts"]["environment"]
    assert part["status"] == "stopped"
    assert part["seconds"] < 60


def test_a_missing_device_fails_with_the_error_message(tmp_path: Path) -> None:
    options = ["--device=cuda:99", "--quick", "--part=environment", f"--out={tmp_path}"]
    assert run.main(options) == 1
    part = json.loads((tmp_path / "gpu-check.json").read_text())["parts"]["environment"]
    assert part["status"] == "failed"
    assert part["figures"]["machine"]["cores"]  # what it had before
    assert "cuda:99 was requested" in part["said"]


def test_notes_are_complete_after_every_figure(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes.json")
    notes.put("one", 1)
    notes.add("rows", {"a": 1})
    assert read(tmp_path / "notes.json") == {"one": 1, "rows": [{"a": 1}]}
    notes.add("rows", {"a": 2})
    assert read(tmp_path / "notes.json")["rows"] == [{"a": 1}, {"a": 2}]
    assert read(tmp_path / "none.json") == {}


def test_a_page_without_results_is_valid() -> None:
    assert page.made({"command": ["scripts/gpu-check"], "parts": {}}).startswith("# gpu-check\n")


# What a machine with a card may lack; the daemon and its clients need it.
LACKING = (
    "av grpc_health grpc_reflection hypothesis pytest_asyncio sounddevice soundfile soxr webrtcvad"
)


@pytest.mark.parametrize("kind", run.PARTS, ids=lambda kind: kind.name)
def test_every_part_can_be_started_on_a_bare_machine(kind: run.Kind) -> None:
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({LACKING.split()!r}))\n"
        f"import dfd.benchmarks.gpu.{kind.name} as part\n"
        "assert callable(part.main)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
