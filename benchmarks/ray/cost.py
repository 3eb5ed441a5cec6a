"""What serving with Ray costs over the local engine: CPU per stream and latency, in turns.

    python -m dfd.benchmarks.ray.cost --streams 30 60 100 --seconds 20 --turns 2

A cluster takes CPU at rest, whatever the number of streams. Therefore each way is measured at rest
and with several numbers of streams, and the last lines say what a stream takes beyond that.

Each way runs on a cluster of this machine alone, whose processes all count as the daemon's:

    local   dfd serve
    handle  dfd serve --engine ray://local: one call to a replica for each batch
    proxy   sessions and scoring in one replica, behind Serve's own gRPC proxy
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile

from dfd.benchmarks.ray.processes import cpu_seconds
from dfd.benchmarks.serve.daemon import Daemon, running
from dfd.benchmarks.speech import speech
from dfd.clients.runs.local_daemon import started_daemon

_RATE = 16_000
_SPEECH_SECONDS = 8.0
_VOICES = 6
_RAMP_SECONDS = 4.0
_REST_SECONDS = 5.0
_SERVE = ("--threads=1", "--admission=fixed")
WAYS = ("local", "handle", "proxy")


@contextlib.contextmanager
def started(way: str) -> Iterator[Daemon]:
    """Runs one of the ways until the context ends."""
    if way == "proxy":
        command = (sys.executable, "-m", "dfd.benchmarks.ray.proxy")
        with started_daemon(["threads=1"], 600.0, command) as daemon:
            yield Daemon(daemon)
        return
    engine = ("--engine=ray://local",) if way == "handle" else ()
    with running([*_SERVE, *engine]) as daemon:
        yield daemon


def load(address: str, streams: int, seconds: float, files: list[str]) -> dict[str, Any]:
    """Runs live streams, and returns what their generator reports."""
    command = [
        *(sys.executable, "-m", "dfd.benchmarks.serve.load", address),
        *(f"--streams={streams}", f"--seconds={seconds:g}", f"--ramp-seconds={_RAMP_SECONDS:g}"),
        *files,
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@dataclass(slots=True)
class Used:
    """CPU of one way: cores at rest, and beyond that milliseconds per stream and second."""

    rest: list[float] = field(default_factory=list)
    each: dict[int, list[float]] = field(default_factory=dict)

    def line(self) -> str:
        """Returns the medians in words."""
        found = (
            f"{n}: {statistics.median(used):.1f} ms" if used else f"{n}: not held"
            for n, used in self.each.items()
        )
        return f"{statistics.median(self.rest):.3f} cores at rest; beyond it, {', '.join(found)}"


def measure(
    way: str, counts: list[int], seconds: float, files: list[str], used: Used
) -> Iterator[str]:
    """Measures one way, and yields the lines to print."""
    with started(way) as daemon:
        address, pid = daemon.started.address, daemon.started.pid
        load(address, 4, _SPEECH_SECONDS, files)  # what the first streams cost is not counted
        before = cpu_seconds(pid)
        time.sleep(_REST_SECONDS)
        rest = {
            name: (now - before[name]) / _REST_SECONDS for name, now in cpu_seconds(pid).items()
        }
        used.rest.append(sum(rest.values()))
        yield f"{way:<7} {used.rest[-1]:.3f} cores at rest: {_largest(rest, 1e3)} ms a second"
        for streams in counts:
            before, began = cpu_seconds(pid), time.monotonic()
            report = load(address, streams, seconds, files)
            elapsed = time.monotonic() - began
            parts = {
                name: 1e3 * (now - before[name] - rest.get(name, 0.0) * elapsed)
                for name, now in cpu_seconds(pid).items()
            }
            each = sum(parts.values()) / (streams * seconds)
            held = used.each.setdefault(streams, [])
            if report["windows"].keys() == {"scored"}:  # a shed window costs nothing
                held.append(each)
            latency = report["latency_ms"] or {}
            yield (
                f"{way:<7} {streams} streams: {each:5.1f} ms of CPU per stream and second "
                f"({_largest(parts, 1 / (streams * seconds))}); p50 {latency.get('p50')} ms, "
                f"p99 {latency.get('p99')} ms; windows {report['windows']}, "
                f"errors {report['errors']}"
            )


def _largest(parts: dict[str, float], factor: float) -> str:
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {factor * value:.1f}" for name, value in ordered[:4])


def main(arguments: list[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m dfd.benchmarks.ray.cost",
        description="Measures what serving with Ray costs.",
    )
    parser.add_argument("--streams", type=int, nargs="+", default=[30])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    given = parser.parse_args(arguments)
    used = {way: Used() for way in given.ways}
    with tempfile.TemporaryDirectory(prefix="dfd-bench-") as made:
        files = []
        for voice in range(_VOICES):
            path = Path(made, f"{voice}.wav")
            soundfile.write(path, speech(_RATE, _SPEECH_SECONDS, voice), _RATE)
            files.append(str(path))
        for turn in range(given.turns):
            for way in given.ways:
                for line in measure(way, given.streams, given.seconds, files, used[way]):
                    print(turn, line, flush=True)
    for way, found in used.items():
        print(f"{way:<7} {found.line()}")


if __name__ == "__main__":
    main()
