"""`dfd bench serve`: how many live streams a daemon holds on this machine."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from dfd.benchmarks.report import machine
from dfd.benchmarks.serve.daemon import Daemon, running
from dfd.benchmarks.serve.ramp import largest_held
from dfd.benchmarks.speech import speech
from dfd.errors import UserError

Report = dict[str, Any]
_RATE = 16_000
_MIB = float(1 << 20)
_CONNECTIONS = 32
# Streams that start together also end their windows together, which real calls do not.
_LEAST_RAMP_SECONDS = 4.0
_STARTS_PER_SECOND = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeBenchOptions:
    """What is measured.

    Attributes:
        serve: arguments of `dfd serve`.
        files: recordings to stream; if empty, some are made.
        budget_ms: limit on the p99 of the time from a window's end to its result.
        start, limit: number of streams of the first step, and the largest number.
        seconds: length of each stream; the recordings are repeated as needed.
        chunk_seconds: length of the audio in each message.
        resolution: how precisely the largest number is found.
    """

    serve: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    budget_ms: float = 500.0
    start: int = 25
    limit: int = 2000
    seconds: float = 20.0
    chunk_seconds: float = 0.1
    resolution: float = 0.1


def run(
    options: ServeBenchOptions,
    tell: Callable[[str], None] = lambda line: None,
    keep: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Starts a daemon, raises the number of streams, and returns the report.

    Args:
        options: what to measure.
        tell: called with what is being done, and with the outcome of each step.
        keep: called with the steps so far after each of them.

    Raises:
        UserError: if the daemon does not start, or its load generator fails.
    """
    with tempfile.TemporaryDirectory(prefix="dfd-bench-") as made:
        files = options.files or tuple(_recordings(Path(made)))
        tell("starting the daemon")
        host, taken = machine.describe(), list[Report]()
        arguments = (f"--max-streams={options.limit + 1}", "--admission=fixed", *options.serve)
        with running(arguments) as daemon:
            # memory that starting took is released within a second
            time.sleep(1.0)
            at_rest = daemon.memory_bytes()

            def attempt(streams: int) -> Report:
                step = _step(daemon, files, streams, at_rest, options)
                tell(said(step, options.budget_ms))
                taken.append(step)
                keep({"benchmark": "serve", "machine": host, "steps": taken})
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
        "machine": host,
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
    """Returns whether nothing was shed, nothing failed, and p99 is within the budget."""
    latency = step["latency_ms"]
    return (
        step["shed"] == 0
        and step["failed"] == 0
        and latency is not None
        and latency["p99"] <= budget_ms
    )


def said(step: Report, budget_ms: float) -> str:
    """Describes a step in one line."""
    latency = step["latency_ms"]
    p99 = "no window scored" if latency is None else f"p99 {latency['p99']:.0f} ms"
    verdict = "held" if holds(step, budget_ms) else "broken"
    return f"{step['streams']} streams: {p99}, {step['shed']} shed, {verdict}"


def _step(
    daemon: Daemon,
    files: tuple[Path, ...],
    streams: int,
    at_rest: int,
    options: ServeBenchOptions,
) -> Report:
    """Runs this many streams at once at speed 1, from a separate process."""
    command = [
        sys.executable,
        "-m",
        "dfd.benchmarks.serve.load",
        daemon.started.address,
        *map(str, files),
        f"--streams={streams}",
        f"--connections={min(streams, _CONNECTIONS)}",
        f"--seconds={options.seconds:g}",
        f"--ramp-seconds={max(_LEAST_RAMP_SECONDS, streams / _STARTS_PER_SECOND):g}",
        f"--chunk-seconds={options.chunk_seconds:g}",
    ]
    cpu_before, began = daemon.cpu_seconds(), time.monotonic()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        most = at_rest
        while process.poll() is None:
            time.sleep(0.5)
            most = max(most, daemon.memory_bytes())
        printed, error = process.communicate()
    cpu, wall = daemon.cpu_seconds() - cpu_before, time.monotonic() - began
    if process.returncode != 0:
        raise UserError(f"the load generator failed: {(error.strip() or '?').splitlines()[-1]}")
    found: Report = json.loads(printed)
    windows = found["windows"]
    return {
        "streams": streams,
        "scored": windows.get("scored", 0),
        "shed": windows.get("shed", 0),
        "failed": windows.get("failed", 0) + sum(found["errors"].values()),
        **{name: found[name] for name in ("latency_ms", "network_ms", "queue_ms", "compute_ms")},
        "errors": found["errors"],
        "generator_behind_seconds": found["generator_behind_seconds"],
        "wall_seconds": round(wall, 1),
        "cpu_ms_per_stream_second": round(1000.0 * cpu / (streams * options.seconds), 3),
        "memory_kib_per_stream": round((most - at_rest) / 1024.0 / streams, 1),
        "memory_mib": round(most / _MIB, 1),
    }


def _recordings(folder: Path) -> list[Path]:
    """Writes synthetic voices of a few seconds each."""
    paths = []
    for voice in range(3):
        path = folder / f"voice-{voice}.wav"
        soundfile.write(path, speech(_RATE, 7.0, voice), _RATE)
        paths.append(path)
    return paths
