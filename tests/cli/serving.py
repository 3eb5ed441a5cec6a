"""`dfd serve` as a process of its own, for tests of the command."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np

from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub

RATE = 16_000
# compiles little, and uses one core, since other tests run too
QUICK = [
    "--port",
    "0",
    "--device",
    "cpu",
    "--precision",
    "fp32",
    "--threads",
    "1",
    "--max-batch-size",
    "2",
]
COMMAND = [sys.executable, "-m", "dfd", "serve"]


class Daemon:
    """A running `dfd serve`."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *QUICK, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
        )
        self.errors: list[str] = []
        self._drain = threading.Thread(target=self._read_errors, daemon=True)
        self._drain.start()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(iter(self.process.stderr.readline, ""))

    def ready(self) -> str:
        """Waits for the ready line, and reads the port from it."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "".join(self.errors)
        found = re.match(r"dfd ready on (127\.0\.0\.1:\d+)", line)
        assert found, line
        self.address = found[1]
        return line

    def stub(self) -> Any:
        return DetectionServiceStub(grpc.insecure_channel(self.address))

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(60)
        self._drain.join(20)
        return status


Start = Callable[..., Daemon]


def requests(seconds: float) -> list[pb.StreamingDetectRequest]:
    config = pb.StreamingDetectConfig(
        audio_format=pb.AudioFormat(
            encoding=pb.AudioFormat.ENCODING_LINEAR16, sample_rate_hertz=RATE, channel_count=1
        ),
        stream_id="call-1",
        labels={"direction": "inbound"},
        window_results=True,
    )
    config.vad.min_speech_duration.SetInParent()
    noise = np.random.default_rng(0).normal(0, 3000, round(seconds * RATE)).astype("<i2").tobytes()
    return [
        pb.StreamingDetectRequest(config=config),
        *(
            pb.StreamingDetectRequest(audio=pb.AudioChunk(content=noise[at : at + 3200]))
            for at in range(0, len(noise), 3200)
        ),
    ]
