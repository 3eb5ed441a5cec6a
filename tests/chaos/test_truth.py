"""Health, readiness and running streams reflect the state of scoring within two deadlines."""

import os
import signal
import time
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.chaos.daemon import Daemon, judged, served
from tests.chaos.live import Live

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("fault", ["fails", "hangs"])
def test_a_model_that_scores_nothing(fault: str, tmp_path: Path) -> None:
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
        # two deadlines, after at most one hop until a window hits the fault
        assert time.monotonic() - began < 2.0 + 2 * 1.0 + 0.5
        live.until_told("ENGINE_FAILING", 5.0)
        assert daemon.figure("dfd_ready") == 0
        with pytest.raises(grpc.RpcError) as caught:
            judged(daemon)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        path.unlink()
        assert next(health).status == SERVING
        live.until_told("ENGINE_RECOVERED", 5.0)
        daemon.until(lambda: served(daemon))
        assert daemon.figure("dfd_ready") == 1
        health.cancel()


def test_a_hung_model_is_loaded_again(tmp_path: Path) -> None:
    path = tmp_path / "fault"
    limits = ("--deadline-seconds", "1", "--batch-timeout-seconds", "0.5")
    with Daemon(*limits, fault=path) as daemon, Live(daemon) as live:
        daemon.until(lambda: daemon.figure("dfd_windows_total", status="scored") > 0)
        path.write_text("hangs")
        daemon.until_logged("model hangs, reloading it")
        daemon.until_logged("model reloaded")
        path.unlink()
        live.until_told("ENGINE_RECOVERED", 10.0)
        daemon.until(lambda: served(daemon))


@pytest.mark.parametrize("role", ["instance", "worker"])
def test_a_stopped_process_is_replaced(role: str) -> None:
    with Daemon("--workers", "2", "--watchdog-seconds", "2") as daemon:
        children = psutil.Process(daemon.process.pid).children()
        still = next(p for p in children if p.cmdline()[-1].startswith(f"dfd-{role}-"))
        os.kill(still.pid, signal.SIGSTOP)
        daemon.until_logged(f"process hangs, killed.*{role}")
        daemon.until(lambda: daemon.figure("dfd_process_restarts_total", role=role) == 1)
        daemon.until(lambda: daemon.figure("dfd_ready") == 1)
        daemon.until(lambda: served(daemon))
