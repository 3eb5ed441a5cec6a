"""An operator sees at once that no daemon judges: in the log, at /health, in the metrics."""

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
from typing import Any

import pytest

from dfd.bridges.daemon_watch import DaemonWatch, Trouble, diagnose
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError
from tests.bridges.kit import logged
from tests.clients.command import clean
from tests.clients.scripted import ScriptedServer


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize(
    ("code", "reason", "message", "word"),
    [
        ("UNAVAILABLE", "", "failed to connect: Connection refused (111)", "refused"),
        ("UNAVAILABLE", "", "Ssl handshake failed: SSL_ERROR_SSL", "tls"),
        ("UNAVAILABLE", "", "DNS resolution failed for nowhere:1", "name"),
        ("UNAVAILABLE", "WARMING_UP", "the model is warming up", "warming_up"),
        ("UNAVAILABLE", "", "Socket closed", "closed"),
        ("DEADLINE_EXCEEDED", "", "Deadline Exceeded", "timeout"),
        ("UNAUTHENTICATED", "", "no token", "token"),
        ("UNIMPLEMENTED", "", "no such method", "version"),
        ("INTERNAL", "", "boom", "other"),
    ],
)
def test_the_reason_is_named(code: str, reason: str, message: str, word: str) -> None:
    trouble = diagnose(DetectionError(code, reason, message), "there:1")
    assert trouble.reason == word
    assert "there:1" in trouble.advice


async def test_a_change_is_told_once(
    daemon: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dfd")
    told: list[Trouble | None] = []
    async with AsyncDetectionClient(f"127.0.0.1:{closed_port()}") as nobody:
        watch = DaemonWatch(nobody, "there:1", told.append)
        assert await watch.ask()
        assert await watch.ask()
    events = [one["event"] for one in logged(caplog)]
    assert events == ["daemon not reached; calls are not judged"]
    assert [one.reason for one in told if one] == ["refused", "refused"]
    async with AsyncDetectionClient(daemon.address) as somebody:
        assert await DaemonWatch(somebody, daemon.address, told.append).ask() is None
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


async def test_a_bridge_without_a_daemon_says_so_everywhere() -> None:
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


async def test_a_bridge_with_a_daemon_is_well(daemon: ScriptedServer) -> None:
    with running("--server", daemon.address) as (_, port):
        status, text = 0, ""
        for _ in range(100):
            status, text = await asyncio.to_thread(page, port)
            if status == 200:
                break
            await asyncio.sleep(0.1)
        assert (status, json.loads(text)["status"]) == (200, "ok")
