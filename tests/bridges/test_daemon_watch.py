"""A missing daemon is visible at once: in the log, at /health and in the metrics."""

import asyncio
import contextlib
import json
import logging
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dfd.bridges.daemon_watch import DaemonWatch
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.options import Connection
from dfd.clients.transport.trouble import Trouble
from tests.bridges.kit import logged
from tests.certificates import issue
from tests.clients.command import clean
from tests.clients.scripted import ScriptedServer


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_a_change_is_reported_once(
    daemon: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dfd")
    told: list[Trouble | None] = []
    where = Connection(server=f"127.0.0.1:{closed_port()}")
    async with AsyncDetectionClient(where.server) as nobody:
        watch = DaemonWatch(nobody, where, told.append)
        assert await watch.ask()
        assert await watch.ask()
    events = [one["event"] for one in logged(caplog)]
    assert events == ["daemon not reached; calls are not judged"]
    assert [one.reason for one in told if one] == ["refused", "refused"]
    async with AsyncDetectionClient(daemon.address) as somebody:
        assert (
            await DaemonWatch(somebody, Connection(server=daemon.address), told.append).ask()
            is None
        )
    assert told[-1] is None


@contextlib.contextmanager
def running(*words: object) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = closed_port()
    command = [
        *(sys.executable, "-m", "dfd", "bridge", "sip", "--listen", "127.0.0.1:0"),
        *("--metrics", f"127.0.0.1:{port}", "--log-format", "json", *words),
    ]
    process = subprocess.Popen(
        [str(word) for word in command],
        env=clean(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert b" ready on " in process.stdout.readline()
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def page(port: int, path: str = "health") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def test_a_bridge_without_a_daemon_reports_it_everywhere() -> None:
    with running("--server", f"127.0.0.1:{closed_port()}") as (process, port):
        assert process.stderr is not None
        first: dict[str, Any] = {}
        while "not reached" not in first.get("event", ""):
            first = json.loads(process.stderr.readline())
        assert first["reason"] == "refused"
        assert first["time"].endswith("Z")
        status, text = page(port)
        assert status == 503
        state = json.loads(text)
        assert state["status"] == "unreachable"
        assert state["daemon"]["reason"] == "refused"
        counted = page(port, "metrics")[1]
        assert "dfd_bridge_daemon_reached 0.0" in counted
        assert 'dfd_bridge_daemon_failures_total{reason="refused"}' in counted


async def test_a_bridge_with_a_daemon_is_healthy(daemon: ScriptedServer) -> None:
    with running("--server", daemon.address) as (_, port):
        status, text = 0, ""
        for _ in range(100):
            status, text = await asyncio.to_thread(page, port)
            if status == 200:
                break
            await asyncio.sleep(0.1)  # nothing announces that the daemon was reached
        assert (status, json.loads(text)["status"]) == (200, "ok")


@contextlib.contextmanager
def serving(*words: object) -> Iterator[str]:
    """A real daemon whose model has nothing to do, since no window is sent to it."""
    command = [sys.executable, "-m", "dfd", "serve", "--port", "0", "--no-metrics"]
    command += ["--model", "noop", "--log-level", "warning", *(str(word) for word in words)]
    with subprocess.Popen(command, env=clean(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield "localhost:" + process.stdout.readline().split()[3].rpartition(":")[2]
        finally:
            process.terminate()


def told_everywhere(server: str, advice: str, *words: object) -> None:
    """Checks that the log, /health and the metrics give the reason tls, and the right advice."""
    with running("--server", server, *words) as (process, port):
        assert process.stderr is not None
        first: dict[str, Any] = {}
        while "not reached" not in first.get("event", ""):
            first = json.loads(process.stderr.readline())
        assert (first["reason"], advice in first["advice"]) == ("tls", True), first
        status, text = page(port)
        assert (status, json.loads(text)["daemon"]["reason"]) == (503, "tls")
        assert json.loads(text)["daemon"]["advice"] == first["advice"]
        counted = page(port, "metrics")[1]
        assert 'dfd_bridge_daemon_failures_total{reason="tls"}' in counted
    # every other client uses the same words
    asked = [sys.executable, "-m", "dfd", "info", "--server", server, *map(str, words)]
    done = subprocess.run(asked, env=clean(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, f"dfd info: {first['advice']}\n")


def test_a_bridge_reports_what_is_wrong_with_tls(tmp_path: Path) -> None:
    """Plain text at a TLS port, the reverse, an unknown authority, an expired certificate."""
    ours, strange = issue(tmp_path, "ours"), issue(tmp_path, "strange")
    good = issue(tmp_path, "good", authority=ours)
    old = issue(tmp_path, "old", authority=ours, days=-1)
    with serving("--tls-cert", good.cert_path, "--tls-key", good.key_path) as server:
        told_everywhere(server, "uses TLS but this client does not")
        told_everywhere(server, "is not signed by", "--tls-ca", strange.cert_path)
    with serving("--tls-cert", old.cert_path, "--tls-key", old.key_path) as server:
        told_everywhere(server, "has expired", "--tls-ca", ours.cert_path)
    with serving() as server:
        told_everywhere(server, "does not use TLS", "--tls-ca", ours.cert_path)
