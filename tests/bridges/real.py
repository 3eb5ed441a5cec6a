"""The real daemon and the real command, for tests with other programs."""

import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dfd.clients import events as ev
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.sources.recording import open_recording
from tests.clients.command import clean

# the bridge's command, whether or not `dfd` lists it
BRIDGE = (sys.executable, "-m", "dfd", "bridge")
SENTENCE = (
    "Hello, this is your bank calling. We have seen an unusual payment on your account today,"
    " and we need you to read out the code that we have just sent to your telephone."
)


# Debian's packages whose names differ from those of their programs.
_PACKAGES = {
    "baresip": "baresip-core",
    "gst-inspect-1.0": "gstreamer1.0-tools",
    "gst-launch-1.0": "gstreamer1.0-tools",
    "sipp": "sip-tester",
}


def need(*programs: str) -> None:
    """Skips the test where a program is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            package = _PACKAGES.get(program, program)
            pytest.skip(f"{program} is not installed: apt-get install {package}")


# The package of each element of GStreamer that the tests name.
_ELEMENTS = {
    "gstreamer1.0-plugins-base": ("audioconvert", "audioresample", "opusenc", "opusdec"),
    "gstreamer1.0-plugins-good": (
        *("wavparse", "wavenc", "mulawenc", "mulawdec", "alawenc", "alawdec", "udpsink"),
        *(f"rtp{name}{end}" for name in ("pcmu", "pcma", "g722", "L16", "opus")
          for end in ("pay", "depay")),
    ),
    "gstreamer1.0-libav": ("avenc_g722", "avdec_g722"),
}  # fmt: skip


def need_elements() -> None:
    """Skips the test where an element of GStreamer is missing."""
    need("gst-launch-1.0", "gst-inspect-1.0")
    for package, elements in _ELEMENTS.items():
        for element in elements:
            command = ["gst-inspect-1.0", "--exists", element]
            if subprocess.run(command, capture_output=True, check=False).returncode != 0:
                pytest.skip(f"GStreamer has no {element}: apt-get install {package}")


def need_encoder(name: str) -> None:
    """Skips the test where ffmpeg was built without an encoder."""
    need("ffmpeg")
    command = ["ffmpeg", "-v", "error", "-h", f"encoder={name}"]
    told = subprocess.run(command, capture_output=True, check=False)
    if b"not recognized" in told.stdout + told.stderr:
        pytest.skip(f"ffmpeg has no encoder {name}: apt-get install ffmpeg")


def run(*words: object) -> None:
    """Runs a program until it ends."""
    done = subprocess.run(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def speak(folder: Path, rate: int = 16000) -> Path:
    """Makes synthetic speech, 16-bit mono."""
    need("espeak-ng", "ffmpeg")
    raw, path = folder / "raw.wav", folder / f"speech-{rate}.wav"
    run("espeak-ng", "-w", raw, SENTENCE)
    run("ffmpeg", "-v", "error", "-y", "-i", raw, "-ar", rate, "-ac", 1, "-c:a", "pcm_s16le", path)
    return path


@dataclass
class Bridge:
    """A running `dfd bridge`.

    Attributes:
        address: where it listens, as it says itself.
        events: its file of events.
    """

    address: str
    events: Path
    log: Path

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def told(self) -> list[dict[str, Any]]:
        if not self.events.exists():
            return []
        lines = self.events.read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    async def summaries(self, count: int, seconds: float = 90.0) -> list[dict[str, Any]]:
        """Waits for a number of summaries, and returns them with their labels."""
        end = time.monotonic() + seconds
        while True:
            found = [event for event in self.told() if "summary" in event]
            if len(found) >= count:
                return found
            assert time.monotonic() < end, self.log.read_text()[-3000:]
            await asyncio.sleep(0.1)  # nothing announces a line of the file


@contextlib.contextmanager
def bridge(folder: Path, server: str, *words: object) -> Iterator[Bridge]:
    """Runs `dfd bridge` until the block ends."""
    events, log = folder / "events.jsonl", folder / "bridge.log"
    command = [*BRIDGE, *words, "--server", server, "--events", events]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [str(word) for word in command], env=clean(), stdout=subprocess.PIPE, stderr=file
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert " ready on " in line, log.read_text()
        address = line.partition(" ready on ")[2].split()[0].rstrip(",")
        yield Bridge(address, events, log)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        process.stdout.close()
        try:
            assert process.wait(60) == 0, log.read_text()
        finally:
            process.kill()


@contextlib.contextmanager
def programs(commands: Sequence[Sequence[object]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Runs programs together; ends those that are still running with the block."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for words in commands:
            started.append(  # noqa: PERF401
                subprocess.Popen(
                    [str(word) for word in words],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.terminate()
            process.wait(20)


async def judged(server: str, path: Path) -> ev.ChannelSummary:
    """Returns the same daemon's result for a file that is streamed to it directly."""
    recording = open_recording(path)
    async with AsyncDetectionClient(server) as client:
        stream = client.stream_events(recording.chunks(0.1), recording.audio_format)
        summary = [event async for event in stream][-1]
    assert isinstance(summary, ev.Summary)
    return summary.channels[0]


def seconds(text: str) -> float:
    """Reads a duration of the contract's JSON."""
    return float(text.removesuffix("s"))
