"""What serving with Ray costs over the local engine: CPU per stream and latency, in turns.

    python -m dfd.benchmarks.ray.cost --streams 30 --seconds 20 --turns 2

Each way runs on a cluster of this machine alone, whose processes all count as the daemon's:

    local   dfd serve
    handle  dfd serve --engine ray://local: one call to a replica for each batch
    proxy   sessions and scoring in one replica, behind Serve's own gRPC proxy
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import soundfile

from dfd.benchmarks.serve.daemon import Daemon, running
from dfd.benchmarks.speech import speech
from dfd.clients.runs.local_daemon import started_daemon

_RATE = 16_000
_SPEECH_SECONDS = 8.0
_VOICES = 6
_RAMP_SECONDS = 4.0
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


def measure(way: str, streams: int, seconds: float, files: list[str]) -> str:
    """Measures one way, and returns the line to print."""
    with started(way) as daemon:
        address = daemon.started.address
        load(address, 4, _SPEECH_SECONDS, files)  # what the first streams cost is not counted
        before = daemon.cpu_seconds()
        report = load(address, streams, seconds, files)
        used = daemon.cpu_seconds() - before
    latency = report["latency_ms"] or {}
    return (
        f"{way:<7} {1e3 * used / (streams * seconds):5.1f} ms of CPU per stream and second; "
        f"p50 {latency.get('p50')} ms, p99 {latency.get('p99')} ms; "
        f"windows {report['windows']}, errors {report['errors']}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m dfd.benchmarks.ray.cost",
        description="Measures what serving with Ray costs.",
    )
    parser.add_argument("--streams", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dfd-bench-") as made:
        files = []
        for voice in range(_VOICES):
            path = Path(made, f"{voice}.wav")
            soundfile.write(path, speech(_RATE, _SPEECH_SECONDS, voice), _RATE)
            files.append(str(path))
        for turn in range(given.turns):
            for way in given.ways:
                print(turn, measure(way, given.streams, given.seconds, files), flush=True)


if __name__ == "__main__":
    main()
