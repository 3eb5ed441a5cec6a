"""Last part: `dfd serve` on the device, `dfd replay` through it, and live streams."""

import importlib.util
import json
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np

from dfd.benchmarks.gpu.notes import start
from dfd.benchmarks.speech import speech

# module -> its package, for what the daemon or its clients need
NEEDED = {
    "av": "av",
    "google.rpc": "googleapis-common-protos",
    "grpc": "grpcio",
    "grpc_health": "grpcio-health-checking",
    "grpc_reflection": "grpcio-reflection",
    "prometheus_client": "prometheus-client",
    "soundfile": "soundfile",
    "soxr": "soxr",
    "webrtcvad": "webrtcvad-wheels",
}
_RATE = 16_000
_STREAMS = (50, 200, 400, 800)


def missing() -> list[str]:
    """Returns the packages that the daemon needs and this machine lacks."""
    lacking = []
    for module, package in NEEDED.items():
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            lacking.append(package)
    return lacking


def main() -> None:
    """Runs the part."""
    part = start()
    lacking = missing()
    if lacking:
        part.notes.put("skipped", f"needs {', '.join(lacking)}: name a folder with --wheels")
        return
    from dfd.benchmarks.gpu.model import BASE, folder_of
    from dfd.benchmarks.serve.daemon import running

    voices = _recordings(part.work)
    base = str(folder_of(part, BASE))
    for name, model in (("bundled", "bundled"), (BASE, base)):
        part.tell(f"dfd serve --device {part.device} --model {name}")
        arguments = [f"--model={model}", f"--device={part.device}", "--max-streams=5000"]
        if part.quick:
            arguments += ["--max-batch-size=2"]
        row: dict[str, Any] = {"model": name}
        with running(arguments, ready_seconds=max(1.0, part.seconds_left)) as daemon:
            row["ready_seconds"] = round(daemon.started.ready_seconds, 2)
            row["memory_at_rest_mib"] = round(daemon.memory_bytes() / (1 << 20))
            part.notes.add("daemons", row)
            part.notes.add("replays", {"model": name} | _replay(daemon.started.address, voices))
            if name != BASE and not part.quick:
                continue
            for streams in (2,) if part.quick else _STREAMS:
                if part.seconds_left < 25.0 and not part.quick:
                    part.notes.add("left_out", f"{streams} streams: no time left")
                    break
                before = daemon.cpu_seconds()
                seconds = 5.0 if part.quick else 10.0
                found = _streams(daemon.started.address, voices, streams, seconds)
                used = 1e3 * (daemon.cpu_seconds() - before) / (streams * seconds)
                found |= {"model": name, "cpu_ms_per_stream_second": round(used, 3)}
                part.notes.add("streams", found)
                part.tell(f"{streams} streams: {found['windows']}, {found['latency_ms']}")


def _recordings(folder: Path) -> list[Path]:
    """Writes synthetic voices of a few seconds each, one of them as telephone audio."""
    paths = []
    for voice, rate in enumerate((_RATE, _RATE, 8_000)):
        path = folder / f"voice-{voice}.wav"
        samples = np.round(32767.0 * speech(rate, 7.0, voice)).astype("<i2")
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples.tobytes())
        paths.append(path)
    return paths


def _replay(address: str, voices: list[Path]) -> dict[str, Any]:
    """Runs `dfd replay` as fast as the daemon allows, and returns its summary."""
    command = [
        *(sys.executable, "-m", "dfd", "replay", *map(str, voices), "--server", address),
        *("--speed", "max", "--summary", "--json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"failed": (done.stderr.strip() or "it gave no reason").splitlines()[-1]}
    report = json.loads(done.stdout.splitlines()[-1])["report"]
    names = ("windows", "times_real_time", "latency_ms", "compute_ms", "model")
    return {name: report[name] for name in names} | {
        "verdicts": [entry["verdict"] for entry in report["files"]]
    }


def _streams(address: str, voices: list[Path], streams: int, seconds: float) -> dict[str, Any]:
    """Runs this many streams at speed 1."""
    command = [
        *(sys.executable, "-m", "dfd.benchmarks.serve.load", address, *map(str, voices)),
        *(f"--streams={streams}", f"--seconds={seconds:g}"),
        *(f"--ramp-seconds={max(2.0, streams / 100):g}", f"--connections={min(streams, 32)}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip() or "the load generator failed").splitlines()[-1])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
