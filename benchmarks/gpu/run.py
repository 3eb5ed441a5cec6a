"""Runs the parts in order within a time budget, and writes the findings after each."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfd.benchmarks.gpu import page
from dfd.benchmarks.gpu.notes import read

_ROOT = Path(__file__).resolve().parents[2]
_KILLED = -signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Kind:
    """A part.

    Attributes:
        name: name of its module.
        seconds: seconds that it may take.
        least: seconds below which it is not started.
    """

    name: str
    seconds: float
    least: float = 15.0


PARTS = (
    Kind("environment", 45.0, 5.0),
    Kind("model", 165.0),
    Kind("tests", 90.0),
    Kind("queue", 60.0),
    Kind("daemon", 130.0, 30.0),
)
_BUDGET_SECONDS = 470.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns 1 if a part failed or was stopped."""
    given = _parser().parse_args(arguments)
    out = given.out or Path(os.environ.get("OUT") or _ROOT / "build" / "gpu-check")
    out.mkdir(parents=True, exist_ok=True)
    ends_at = time.monotonic() + given.budget_seconds
    report: dict[str, Any] = {
        "benchmark": "gpu-check",
        "command": ["scripts/gpu-check", *(sys.argv[1:] if arguments is None else arguments)],
        "device": given.device,
        "quick": given.quick,
        "budget_seconds": given.budget_seconds,
        "parts": {},
    }
    with tempfile.TemporaryDirectory(prefix="dfd-gpu-check-") as made:
        work = Path(made)
        environment = _environment(given, work, report)
        for kind in PARTS:
            if given.parts and kind.name not in given.parts:
                continue
            left = ends_at - time.monotonic()
            if left < kind.least:
                report["parts"][kind.name] = {"status": "left out", "why": "no time left"}
                _say(f"{kind.name}: left out, no time left")
            else:
                limit = min(kind.seconds, left) if kind is not PARTS[-1] else left
                _say(f"{kind.name}: at most {limit:.0f} s")
                report["parts"][kind.name] = _run(kind, limit, work, given, environment)
                _say(f"{kind.name}: {report['parts'][kind.name]['status']}")
            _write(out, report)
    print(page.made(report))
    _say(f"written to {out}")
    good = {"done", "skipped"}
    return 0 if all(part["status"] in good for part in report["parts"].values()) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/gpu-check",
        description="Checks and measures dfd on a graphics card, part by part, and writes "
        "gpu-check.json and gpu-check.md to $OUT, or else to build/gpu-check.",
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu (default: cuda)")
    parser.add_argument("--quick", action="store_true", help="only show that every part works")
    parser.add_argument(
        "--budget-seconds",
        type=float,
        default=_BUDGET_SECONDS,
        metavar="N",
        help=f"drop the later parts after this time (default: {_BUDGET_SECONDS:g})",
    )
    parser.add_argument(
        "--wheels",
        type=Path,
        metavar="DIR",
        help="a folder that scripts/gpu-wheels filled; without it the daemon is left out if its "
        "packages are missing",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write")
    parser.add_argument(
        "--part",
        dest="parts",
        action="append",
        choices=[kind.name for kind in PARTS],
        help="run only this part; may be given several times",
    )
    return parser


def _environment(given: argparse.Namespace, work: Path, report: dict[str, Any]) -> dict[str, str]:
    """Returns the parts' environment: this checkout, the wheels, then the machine's packages."""
    paths = [str(_ROOT / "src")]
    wheels: Path | None = given.wheels
    if wheels is not None:
        files = sorted(wheels.glob("*.whl"))
        site = work / "site"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"),
                *("--no-compile", "--no-cache-dir", "--disable-pip-version-check"),
                *("--target", str(site), *map(str, files)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        installed = done.returncode == 0 and bool(files)
        report["wheels"] = {
            "files": [file.name for file in files],
            "installed": installed,
            "said": done.stderr.strip()[-500:],
        }
        if installed:
            paths.append(str(site))
        else:
            _say(
                f"the wheels of {wheels} were not installed: {done.stderr.strip() or 'none there'}"
            )
    known = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*paths, *([known] if known else [])]),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # on busy cores, the threads of small networks wait for each other
        **({"OMP_NUM_THREADS": "1"} if given.quick and given.device == "cpu" else {}),
    }


def _run(
    kind: Kind, limit: float, work: Path, given: argparse.Namespace, environment: dict[str, str]
) -> dict[str, Any]:
    """Runs a part in its own process group; its figures count however it ends."""
    notes, said = work / f"{kind.name}.json", work / f"{kind.name}.log"
    command = [
        *(sys.executable, "-m", f"dfd.benchmarks.gpu.{kind.name}"),
        *(f"--device={given.device}", f"--notes={notes}", f"--work={work}"),
        f"--seconds={max(1.0, limit - 5.0):g}",
        *(["--quick"] if given.quick else []),
    ]
    began = time.monotonic()
    with said.open("w") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=_ROOT,
            start_new_session=True,
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = _KILLED
        finally:
            _end(process)
    figures = read(notes)
    text = said.read_text(errors="replace")
    for line in text.splitlines():
        if line.startswith("  ") or status != 0:
            print(line, file=sys.stderr)
    if "skipped" in figures:
        name = "skipped"
    else:
        name = {0: "done", _KILLED: "stopped"}.get(status, "failed")
    return {
        "status": name,
        "seconds": round(time.monotonic() - began, 1),
        "figures": figures,
        "said": "" if status == 0 else text[-4000:],
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a part and everything that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(8.0)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _write(out: Path, report: dict[str, Any]) -> None:
    (out / "gpu-check.json").write_text(json.dumps(report, indent=1) + "\n")
    (out / "gpu-check.md").write_text(page.made(report))


def _say(line: str) -> None:
    print(f"gpu-check: {line}", file=sys.stderr, flush=True)
