"""`dfd serve` as a process of its own, from its start to its end."""

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest

from dfd.clients.client import AsyncDetectionClient
from dfd.clients.runs.warming import when_warm
from dfd.clients.server_info import ServerInfo
from dfd.v1 import detection_pb2 as pb
from tests.cli.serving import Daemon, Start, requests
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


def test_a_stream_through_a_real_process(start: Start, tmp_path: Path) -> None:
    config = tmp_path / "dfd.toml"
    config.write_text(
        "max_streams = 3\nqueue_limit = 5\ndeadline_seconds = 7.5\n"
        'metrics_port = 0\nlog_format = "json"\n'
    )
    daemon = start(
        *("--config", str(config), "--max-streams", "9"),
        environment={"DFD_SERVE_QUEUE_LIMIT": "6", "DFD_SERVE_MAX_STREAMS": "8"},
    )
    line = daemon.ready()
    url = re.search(r"\(metrics (http://127\.0\.0\.1:\d+/metrics)\)", line)
    assert url, line
    responses = list(daemon.stub().StreamingDetect(iter(requests(5.0)), timeout=60))
    assert responses[0].started.model.engine
    assert daemon.stub().GetServerInfo(pb.GetServerInfoRequest(), timeout=60).max_streams == 9
    windows = [r.window for r in responses if r.HasField("window")]
    assert len(windows) >= 4
    assert all(w.status == pb.WindowResult.STATUS_SCORED for w in windows)
    assert responses[-1].summary.end_reason == pb.StreamSummary.END_REASON_CLIENT_DONE
    with urllib.request.urlopen(url[1], timeout=20) as page:
        assert b'dfd_streams_total{end="client_done"} 1.0' in page.read()
    assert daemon.end() == 0
    events = {}
    for text in daemon.errors:
        event = json.loads(text)
        events[event["event"]] = event
    effective = events["configuration"]
    assert effective["port"] == "0 (flag)"
    assert effective["max_streams"] == "9 (flag)"
    assert effective["queue_limit"] == "6 (environment)"
    assert effective["deadline_seconds"] == "7.5 (file)"
    assert "host" not in effective
    assert events["stream started"]["labels"] == {"direction": "inbound"}
    assert events["stream ended"]["stream_id"] == "call-1"
    assert events["stream ended"]["channels"][0]["scored"] == len(windows)
    assert "drained" in events
    assert daemon.process.stdout is not None
    assert daemon.process.stdout.read() == ""


def test_a_running_stream_ends_with_a_summary(start: Start) -> None:
    daemon = start("--no-metrics", "--grace-seconds", "2")
    assert "metrics" not in daemon.ready()
    ended = threading.Event()

    def endless() -> Iterator[pb.StreamingDetectRequest]:
        yield from requests(3.0)
        ended.wait(60)

    call = daemon.stub().StreamingDetect(endless(), timeout=60)
    assert next(call).HasField("started")
    daemon.process.send_signal(signal.SIGTERM)
    responses, code = [], None
    try:
        for response in call:
            responses.append(response)  # noqa: PERF402 - kept when it raises
    except grpc.RpcError as error:
        code = error.code()
    ended.set()
    assert code == grpc.StatusCode.UNAVAILABLE
    assert "SERVER_DRAINING" in [r.warning.reason for r in responses]
    assert responses[-1].summary.end_reason == pb.StreamSummary.END_REASON_SERVER_DRAINING
    assert daemon.wait() == 0


def test_a_second_signal_ends_at_once(start: Start) -> None:
    daemon = start("--no-metrics", "--grace-seconds", "600")
    daemon.ready()
    ended = threading.Event()

    def endless() -> Iterator[pb.StreamingDetectRequest]:
        yield from requests(1.0)
        ended.wait(60)

    call = daemon.stub().StreamingDetect(endless(), timeout=60)
    try:
        assert next(call).HasField("started")
        daemon.process.send_signal(signal.SIGINT)
        while not next(call).HasField("warning"):
            pass
        assert daemon.end(signal.SIGINT) == 1
    finally:
        ended.set()


def listening(daemon: Daemon) -> str:
    """Waits for the line that says where it listens, and returns it."""

    def lines() -> list[str]:
        assert daemon.process.poll() is None, daemon.errors
        return [line for line in daemon.errors if "listening" in line]

    wait_until(lines)
    return lines()[0]


def test_a_signal_while_the_model_is_loaded(start: Start) -> None:
    daemon = start("--no-metrics")
    listening(daemon)
    assert daemon.end() == 0


def test_a_client_waits_while_the_model_is_loaded(start: Start) -> None:
    """As `dfd replay` does, instead of giving up."""
    daemon = start("--no-metrics")
    found = re.search(r"127\.0\.0\.1:\d+", listening(daemon))
    assert found

    async def wait() -> ServerInfo:
        async with AsyncDetectionClient(found[0]) as client:
            return await when_warm(client)

    info = asyncio.run(wait())
    assert info.models
    assert daemon.end() == 0


def test_several_workers_and_instances() -> None:
    """Tests the command itself; tests/daemon/multiprocess tests the supervisor."""
    daemon = Daemon("--model", "noop", "--workers", "2", "--device", "cpu,cpu", "--no-metrics")
    try:
        daemon.ready()
        assert len(subprocess_names(daemon.process.pid)) == 4
        responses = list(daemon.stub().StreamingDetect(iter(requests(5.0)), timeout=60))
        assert responses[0].started.model.name == "noop"
        assert responses[-1].summary.channels[0].verdict == pb.VERDICT_INCONCLUSIVE
    finally:
        status = daemon.end()
        assert daemon.process.stdout is not None
        assert daemon.process.stderr is not None
        daemon.process.stdout.close()
        daemon.process.stderr.close()
    assert status == 0
    log = "".join(daemon.errors)
    assert "this model scores nothing" in log
    assert "Traceback" not in log


def subprocess_names(pid: int) -> list[str]:
    return [" ".join(child.cmdline()[-1:]) for child in psutil.Process(pid).children()]


def test_help_and_version_need_no_grpc() -> None:
    code = (
        "import sys\nfrom dfd.cli.main import cli\n"
        "try: cli.main(['serve', '--help'], prog_name='dfd')\nexcept SystemExit: pass\n"
        "assert 'grpc' not in sys.modules and 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "DFD_SERVE_PORT" in done.stdout


def test_the_console_script_is_the_same() -> None:
    script = shutil.which("dfd", path=str(Path(sys.executable).parent))
    assert script is not None, "dfd is not installed beside this Python"
    done = subprocess.run(
        [script, "serve", "--port", "x"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("dfd serve: ")
