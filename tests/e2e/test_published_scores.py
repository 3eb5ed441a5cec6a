"""The published AASIST has its authors' scores in `dfd detect` and in `dfd serve`.

What its authors' code gives to recordings of the corpus lies beside the weights; most of them
are Opus, which was decoded by libsndfile, at 16 kHz.
"""

import csv
import json
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dfd.clients.runs.local_daemon import DFD, local_daemon
from dfd.recordings.opus import library
from tests.detector.checkpoints import CHECKPOINTS, CORPUS, needs_checkpoints

COUNT = int(os.environ.get("DFD_SCORES", "4"))
# A recording takes some seconds of CPU by AASIST, which a busy machine stretches many times over.
_SECONDS_EACH, _SECONDS_TO_START = 180.0, 600.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(_SECONDS_TO_START + _SECONDS_EACH * COUNT),
    needs_checkpoints,
    pytest.mark.skipif(library() is None, reason="no libopus: apt-get install libopus0"),
]
MODEL = CHECKPOINTS / "AASIST.pth"


@pytest.fixture(scope="module")
def expected() -> dict[str, float]:
    """Returns P(spoof) by path, mostly of Opus files; DFD_SCORES sets how many."""
    with (CHECKPOINTS / "expected.tsv").open(encoding="utf-8") as file:
        rows = [
            row for row in csv.DictReader(file, delimiter="\t") if row["checkpoint"] == "AASIST"
        ]
    rows.sort(key=lambda row: not row["file"].endswith(".opus"))
    found = {}
    for row in [*rows[: COUNT - COUNT // 4], *rows[len(rows) - COUNT // 4 :]]:
        log_odds = float(row["logit_spoof"]) - float(row["logit_bonafide"])
        found[str(CORPUS / row["file"])] = 1.0 / (1.0 + math.exp(-log_odds))
    assert len(found) == COUNT
    return found


def run(*words: str | Path) -> list[dict[str, Any]]:
    done = subprocess.run([*DFD, *map(str, words)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_without_a_daemon(expected: dict[str, float]) -> None:
    lines = run("detect", "--json", "--model", MODEL, *expected)
    found = {line["file"]: line["spoof_probability"] for line in lines}
    assert found == pytest.approx(expected, abs=1e-4)


def test_through_a_daemon(expected: dict[str, float]) -> None:
    # never shed, so that other load on the machine does not change the scores
    arguments = ["--model", str(MODEL), "--deadline-seconds", "600"]
    with local_daemon(arguments, ready_seconds=_SECONDS_TO_START) as address:
        lines = run("replay", "--json", "--speed", "max", "--server", address, *expected)
    entries = lines[-1]["report"]["files"]
    found = {entry["file"]: entry["cumulative_spoof_probability"] for entry in entries}
    assert found == pytest.approx(expected, abs=1e-4)
