"""The real `dfd serve` in a process of its own, for tests that disturb it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import grpc
import psutil
from prometheus_client.parser import text_string_to_metric_families

from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
RATE = 16_000
_FAULTY = "from tests.chaos import faults; faults.main()"
_READY = re.compile(r"dfd ready on (\S+):(\d+)(?: \(metrics (\S+)\))?")


class Daemon:
    """A daemon that starts and ends with the context.

    Args:
        arguments: over those that a test needs.
        model: "noop" loads at once and needs no torch.
        environment: over this process' own.
        fault: the file by which `tests.chaos.faults` is told how the model fails.
    """

    def __init__(
        self,
        *arguments: str,
        model: str = "noop",
        environment: dict[str, str] | None = None,
        stderr: int | None = None,
        fault: Path | None = None,
    ) -> None:
        self._stderr = stderr
        self.process = subprocess.Popen(
            [
                sys.executable,
                *(("-m", "dfd") if fault is None else ("-c", _FAULTY)),
                *("serve", "--model", model),
                *("--port", "0", "--metrics-port", "0", "--device", "cpu", "--threads", "1"),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if stderr is None else stderr,
            env=os.environ | {"DFD_TEST_FAULT": str(fault or "")} | (environment or {}),
            cwd=ROOT,
            text=True,
        )
        self.log: list[str] = []
        self._changed = threading.Condition()
        if stderr is None:
            self._reader = threading.Thread(target=self._read_log, daemon=True)
            self._reader.start()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.log.append(line)
                self._changed.notify_all()

    def __enter__(self) -> Self:
        assert self.process.stdout is not None
        found = _READY.match(self.process.stdout.readline())
        if found is None:
            self.process.kill()
            self.process.wait()
            raise AssertionError("".join(self.log))
        self.port = int(found[2])
        self.metrics_url = found[3]
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            time_left = threading.Timer(20, self.process.kill)
            time_left.start()
            self.process.wait()
            time_left.cancel()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                if pipe is self.process.stderr:
                    self._reader.join(10)
                pipe.close()

    @property
    def address(self) -> str:
        """The address on which it listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def resident_mib(self) -> float:
        """Resident memory of the process."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / (1 << 20)

    def until_logged(self, pattern: str, seconds: float = 30.0) -> str:
        """Waits for a line of the log and returns it."""
        end = time.monotonic() + seconds
        with self._changed:
            while True:
                for line in self.log:
                    if re.search(pattern, line):
                        return line
                left = end - time.monotonic()
                assert left > 0.0, f"no {pattern!r} in\n" + "".join(self.log[-30:])
                self._changed.wait(left)

    def logged(self, pattern: str) -> list[str]:
        """Returns the lines of the log so far that match."""
        with self._changed:
            return [line for line in self.log if re.search(pattern, line)]

    def page(self) -> str:
        """Returns the metrics page."""
        with urllib.request.urlopen(self.metrics_url, timeout=20) as answer:
            return str(answer.read().decode())

    def figure(self, name: str, **labels: str) -> float:
        """Returns one figure of the page, summed over all labels that are not given."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.page())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Waits for a condition by polling."""
        wait_until(condition, seconds, lambda: "".join(self.log[-30:]), every=0.02)

    @contextmanager
    def stub(self) -> Iterator[Any]:
        """Makes a client with its own connection."""
        with grpc.insecure_channel(
            self.address, [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        ) as channel:
            yield DetectionServiceStub(channel)


def config(**changes: Any) -> pb.StreamingDetectRequest:
    """Makes the configuration of a stream that scores all windows."""
    message = pb.StreamingDetectConfig(
        audio_format=pb.AudioFormat(
            encoding=pb.AudioFormat.ENCODING_LINEAR16, sample_rate_hertz=RATE, channel_count=1
        ),
        window_results=True,
    )
    message.vad.min_speech_duration.SetInParent()
    message.MergeFrom(pb.StreamingDetectConfig(**changes))
    return pb.StreamingDetectRequest(config=message)


def audio(seconds: float) -> pb.StreamingDetectRequest:
    """Makes a hum that is loud enough for every window."""
    frames = round(seconds * RATE)
    return pb.StreamingDetectRequest(
        audio=pb.AudioChunk(content=b"\x00\x08\x00\xf8" * (frames // 2))
    )


def judged(daemon: Daemon, **how: Any) -> list[pb.StreamingDetectResponse]:
    """Returns the responses to an ordinary stream of five seconds."""
    with daemon.stub() as stub:
        requests = [config(), *(audio(1.0) for _ in range(5))]
        return list(stub.StreamingDetect(iter(requests), timeout=30, **how))


def served(daemon: Daemon) -> bool:
    """Returns whether an ordinary stream is judged to its end now."""
    try:
        return judged(daemon)[-1].HasField("summary")
    except grpc.RpcError:
        return False
