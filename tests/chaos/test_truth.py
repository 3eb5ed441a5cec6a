"""Health, readiness and running streams are told what becomes of windows, within two deadlines."""

import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dfd.v1 import detection_pb2 as pb
from tests.chaos.daemon import Daemon, audio, config, judged

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVING = health_pb2.HealthCheckResponse.SERVING


class Live:
    """A stream in real time until it is left, with what it was told."""

    def __init__(self, daemon: Daemon) -> None:
        self.channel = grpc.insecure_channel(daemon.address)
        self.told: queue.Queue[str] = queue.Queue()
        self._over = threading.Event()
        method: Any = self.channel.stream_stream(
            "/dfd.v1.DetectionService/StreamingDetect",
            request_serializer=pb.StreamingDetectRequest.SerializeToString,
            response_deserializer=pb.StreamingDetectResponse.FromString,
        )
        self.call = method(self._talk(), timeout=120)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _talk(self) -> Iterator[pb.StreamingDetectRequest]:
        yield config()
        while not self._over.wait(0.1):
            yield audio(0.1)

    def _read(self) -> None:
        try:
            for answer in self.call:
                if answer.HasField("warning"):
                    self.told.put(answer.warning.reason)
        except grpc.RpcError as error:
            self.told.put(str(error.code()))

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.call.cancel()
        self._reader.join(20)
        self.channel.close()

    def until_told(self, word: str, seconds: float) -> None:
        while self.told.get(timeout=seconds) != word:
            pass


@pytest.mark.parametrize("fault", ["fails", "hangs"])
def test_an_engine_that_judges_nothing(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "fault"
    with (
        Daemon("--deadline-seconds", "1", fault=path) as daemon,
        Live(daemon) as live,
        grpc.insecure_channel(daemon.address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(health).status == SERVING
        daemon.until(lambda: daemon.figure("dfd_windows_total", status="scored") > 0)
        path.write_text(fault)
        began = time.monotonic()
        assert next(health).status == NOT_SERVING
        # two deadlines, after at most one hop until a window meets the fault
        assert time.monotonic() - began < 2.0 + 2 * 1.0 + 0.5
        live.until_told("ENGINE_FAILING", 5.0)
        assert daemon.figure("dfd_ready") == 0
        with pytest.raises(grpc.RpcError) as caught:
            judged(daemon)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        path.unlink()
        assert next(health).status == SERVING
        live.until_told("ENGINE_RECOVERED", 5.0)
        assert judged(daemon)[-1].HasField("summary")
        assert daemon.figure("dfd_ready") == 1
        health.cancel()


def test_an_engine_that_hangs_for_good_is_started_anew(tmp_path: Path) -> None:
    path = tmp_path / "fault"
    limits = ("--deadline-seconds", "1", "--batch-timeout-seconds", "0.5")
    with Daemon(*limits, fault=path) as daemon, Live(daemon) as live:
        daemon.until(lambda: daemon.figure("dfd_windows_total", status="scored") > 0)
        path.write_text("hangs")
        daemon.until_logged("engine hangs, starting it anew")
        daemon.until_logged("engine started anew")
        path.unlink()
        live.until_told("ENGINE_RECOVERED", 10.0)
        assert judged(daemon)[-1].HasField("summary")


@pytest.mark.parametrize("role", ["engine", "worker"])
def test_a_process_that_stands_still_is_replaced(role: str) -> None:
    with Daemon("--workers", "2", "--watchdog-seconds", "2") as daemon:
        children = psutil.Process(daemon.process.pid).children()
        still = next(p for p in children if p.cmdline()[-1].startswith(f"dfd-{role}-"))
        os.kill(still.pid, signal.SIGSTOP)
        daemon.until_logged(f"process hangs, killed.*{role}")
        daemon.until(lambda: daemon.figure("dfd_process_restarts_total", role=role) == 1)
        daemon.until(lambda: daemon.figure("dfd_ready") == 1)
        assert judged(daemon)[-1].HasField("summary")
