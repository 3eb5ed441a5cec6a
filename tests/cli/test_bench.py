import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import DFD, run_dfd

pytestmark = pytest.mark.slow


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run_dfd("bench", *arguments)


def test_core_writes_json_a_table_and_a_plot(tmp_path: Path) -> None:
    found = bench("core", "--quick", "--report", tmp_path / "r.json", "--plot", tmp_path / "p.png")
    assert found.returncode == 0, found.stderr
    assert "streams a core" in found.stdout
    report = json.loads((tmp_path / "r.json").read_text())
    assert all(result["streams_per_core"] > 0 for result in report["results"])
    assert report["memory_kib_per_stream"] > 0
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_model_reports_results_and_what_is_missing() -> None:
    found = bench("model", "--quick", "--batch=2", "--threads=1", "--json", "--peer=transformers")
    assert found.returncode == 0, found.stderr
    report: dict[str, Any] = json.loads(found.stdout)
    measured = {(one["engine"], one["precision"], one["batch"]) for one in report["results"]}
    assert ("torchscript", "fp32", 2) in measured
    assert ("transformers", "fp32", 2) in measured or "transformers" in report["missing"]
    assert all(one["windows_per_second"] > 0 for one in report["results"])
    assert report["operations_per_window"] > 1e8


def test_an_interrupted_model_run_keeps_its_figures(tmp_path: Path) -> None:
    """It is stopped after the second figure of each has been shown."""
    path = tmp_path / "model.json"
    command = [DFD, "bench", "model", "--peer=none", "--batch=1,2", "--threads=1"]
    process = subprocess.Popen(
        [*command, "--rounds=1000000", "--seconds=1000000", "--report", str(path)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "measured 2 times" in line:
            break
    process.kill()
    process.wait()
    process.stderr.close()
    report = json.loads(path.read_text())
    assert report["whole"] is False
    assert {row["batch"] for row in report["results"]} == {1, 2}


def test_two_reports_are_compared(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.json", "b.json")]
    for path in paths:
        found = bench("core", "--quick", "--report", path)
        assert found.returncode == 0, found.stderr
    found = bench("compare", *paths)
    assert found.returncode == 0, found.stderr
    assert "pcm16 16 kHz: CPU ms a stream and second" in found.stdout
    found = bench("compare", *paths, "--json")
    assert len(json.loads(found.stdout)["rows"]) == 3


def test_serve_handles_a_few_streams_without_a_classifier(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("dfd bench serve reads what processes use from /proc, which only Linux has")
    picture = tmp_path / "p.svg"
    found = bench(
        "serve", "--quick", "--model=noop", "--budget-seconds=100", "--json", "--plot", picture
    )
    assert found.returncode == 0, found.stderr
    report = json.loads(found.stdout)
    assert report["streams_held"] == 4
    assert report["p99_ms"] > 0
    assert report["limit_reached"]
    assert report["memory_at_rest_mib"] > 1
    for step in report["steps"]:
        assert step["network_ms"]["count"] == step["scored"] > 0
        assert step["cpu_ms_per_stream_second"] > 0
    assert picture.stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("model", "--model=nowhere", "--peer=none"), "there is no model folder or file nowhere"),
        (("model", "--batch=0"), "0 is not a list of whole numbers"),
        (("serve", "--quick", "--model=nowhere"), "the daemon did not start"),
        (("compare", "nowhere.json", "b.json"), "cannot read nowhere.json"),
        (("core", "--quick", "--report=/nowhere/r.json"), "cannot write /nowhere/r.json"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], said: str) -> None:
    found = bench(*arguments)
    assert found.returncode == 2
    assert said in found.stderr.splitlines()[-1]
    assert "Traceback" not in found.stderr
