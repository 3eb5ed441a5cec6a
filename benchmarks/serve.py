"""`dfd bench serve`: how many live streams a daemon holds on this machine."""

import json
import subprocess
import tempfile
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dfd.bench import machine
from dfd.bench.daemon import Daemon, running
from dfd.bench.ramp import largest_held
from dfd.bench.speech import speech
from dfd.clients.errors import UserError
from dfd.clients.latency import percentiles_ms
from dfd.clients.local_daemon import DFD

Report = dict[str, Any]
_RATE = 16_000
_MIB = float(1 << 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeBenchOptions:
    """What is measured.

    Attributes:
        serve: arguments of `dfd serve`.
        files: recordings to stream; empty makes some.
        budget_ms: p99 from a window's end to its result that may not be exceeded.
        start, limit: streams of the first step, and at most.
        seconds: audio of each stream, where there are no files.
        resolution: how exactly the largest number is found.
    """

    serve: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    budget_ms: float = 500.0
    start: int = 25
    limit: int = 2000
    seconds: float = 20.0
    resolution: float = 0.1


def run(options: ServeBenchOptions, tell: Callable[[str], None] = lambda line: None) -> Report:
    """Starts a daemon, raises the streams, and returns the report.

    Raises:
        UserError: the daemon does not start, or its load generator fails.
    """
    with tempfile.TemporaryDirectory(prefix="dfd-bench-") as made:
        files = options.files or tuple(_recordings(Path(made), options.seconds))
        tell("starting the daemon")
        arguments = (f"--max-streams={options.limit + 1}", *options.serve)
        with running(arguments) as daemon:
            # what the start left behind is given back within the second
            time.sleep(1.0)
            at_rest = daemon.memory_bytes()

            def attempt(streams: int) -> Report:
                step = _step(daemon, files, streams, at_rest, Path(made))
                tell(said(step, options.budget_ms))
                return step

            held, steps = largest_held(
                attempt,
                lambda step: holds(step, options.budget_ms),
                start=options.start,
                limit=options.limit,
                resolution=options.resolution,
            )
            ready_seconds = daemon.started.ready_seconds
    best = next((step for step in reversed(steps) if step["streams"] == held), None)
    return {
        "benchmark": "serve",
        "machine": machine.describe(),
        "serve": list(options.serve),
        "budget_ms": options.budget_ms,
        "ready_seconds": round(ready_seconds, 2),
        "memory_at_rest_mib": round(at_rest / _MIB, 1),
        "streams_held": held,
        "limit_reached": held >= options.limit,
        "p99_ms": best and best["latency_ms"] and best["latency_ms"]["p99"],
        "cpu_ms_per_stream_second": best and best["cpu_ms_per_stream_second"],
        "memory_kib_per_stream": best and best["memory_kib_per_stream"],
        "steps": steps,
    }


def holds(step: Report, budget_ms: float) -> bool:
    """Whether nothing was shed, nothing failed, and p99 is within the budget."""
    latency = step["latency_ms"]
    return (
        step["shed"] == 0
        and step["failed"] == 0
        and latency is not None
        and latency["p99"] <= budget_ms
    )


def said(step: Report, budget_ms: float) -> str:
    """A step in one line."""
    latency = step["latency_ms"]
    p99 = "no window scored" if latency is None else f"p99 {latency['p99']:.0f} ms"
    verdict = "held" if holds(step, budget_ms) else "broken"
    return f"{step['streams']} streams: {p99}, {step['shed']} shed, {verdict}"


def split(windows: list[Report]) -> Report:
    """Percentiles of the scored windows' latency, and of its three parts."""
    scored = [one for one in windows if one["latency_ms"] is not None]

    def of(values: list[float]) -> dict[str, float] | None:
        return percentiles_ms([value / 1000.0 for value in values])

    return {
        "latency_ms": of([one["latency_ms"] for one in scored]),
        "queue_ms": of([one["queue_ms"] for one in scored]),
        "compute_ms": of([one["compute_ms"] for one in scored]),
        "network_ms": of(
            [max(0.0, one["latency_ms"] - one["queue_ms"] - one["compute_ms"]) for one in scored]
        ),
    }


def _step(
    daemon: Daemon, files: tuple[Path, ...], streams: int, at_rest: int, folder: Path
) -> Report:
    """So many streams at once at speed 1, from a process of its own."""
    lines = folder / "replay.jsonl"
    command = [
        *DFD,
        "replay",
        "--speed=1",
        f"--streams={streams}",
        f"--server={daemon.started.address}",
    ]
    command += ["--summary", f"--json={lines}", *map(str, files)]
    cpu_before, began = daemon.cpu_seconds(), time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    most = at_rest
    while process.poll() is None:
        time.sleep(0.5)
        most = max(most, daemon.memory_bytes())
    error = process.stderr.read().decode(errors="replace") if process.stderr else ""
    cpu, wall = daemon.cpu_seconds() - cpu_before, time.monotonic() - began
    report = _last_report(lines)
    if report is None:
        raise UserError(f"the load generator failed: {(error.strip() or '?').splitlines()[-1]}")
    windows = [window for entry in report["files"] for window in entry.get("windows", [])]
    counts = report["windows"]
    return {
        "streams": streams,
        "scored": counts["scored"],
        "shed": counts["shed"],
        "failed": counts["failed"] + report["failed_replays"],
        **split(windows),
        "wall_seconds": round(wall, 1),
        "cpu_ms_per_stream_second": round(1000.0 * cpu / max(report["audio_seconds"], 1e-9), 3),
        "memory_kib_per_stream": round((most - at_rest) / 1024.0 / streams, 1),
        "memory_mib": round(most / _MIB, 1),
    }


def _last_report(path: Path) -> Report | None:
    """The report that `dfd replay` writes last; None where it did not come to it."""
    if not path.exists():
        return None
    last = b""
    with path.open("rb") as file:
        for line in file:
            last = line
    try:
        found: Report | None = json.loads(last).get("report")
    except ValueError:
        return None
    return found


def _recordings(folder: Path, seconds: float) -> list[Path]:
    """Made-up voices, some seconds each."""
    paths = []
    for voice in range(3):
        samples = np.resize(speech(_RATE, 4.0, voice), int(seconds * _RATE))
        path = folder / f"voice-{voice}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_RATE)
            file.writeframes(np.round(samples * 32767.0).astype("<i2").tobytes())
        paths.append(path)
    return paths
