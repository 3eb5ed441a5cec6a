"""A client notices a lost link in time, and reaches this machine without a proxy."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.clients import AsyncDetectionClient, DetectionError
from dfd.clients.options import RetryPolicy
from dfd.clients.stream import DetectionStream
from dfd.clients.transport import connection
from tests.chaos.daemon import RATE, Daemon
from tests.chaos.relay import Relay

SECOND = (np.random.default_rng(0).normal(0, 3000, RATE)).astype("<i2").tobytes()


async def finish_on_a_held_link(relay: Relay, retry: RetryPolicy) -> DetectionError:
    """Drops the link just before the end of the audio."""
    async with (
        AsyncDetectionClient(f"localhost:{relay.port}", retry=retry) as client,
        client.stream() as stream,
    ):
        await stream.send(SECOND)
        async for _ in stream:
            break  # the daemon answers
        relay.hold()
        await stream.finish()
        with pytest.raises(DetectionError) as caught:
            await asyncio.wait_for(everything(stream), 60)
    return caught.value


async def everything(stream: DetectionStream) -> None:
    async for _ in stream:
        pass


async def test_waiting_for_a_summary_has_a_limit() -> None:
    with Daemon("--grace-seconds", "1") as daemon:
        async with Relay(daemon.port) as relay:
            retry = RetryPolicy(summary_seconds=1.0, reconnect_seconds=0.0)
            error = await finish_on_a_held_link(relay, retry)
    assert error.reason == "NO_SUMMARY"


async def test_a_lost_link_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"grpc.keepalive_time_ms": 6000, "grpc.http2.ping_timeout_ms": 1000}
    options = dict(connection._CHANNEL_OPTIONS)
    assert quick.keys() <= options.keys()
    monkeypatch.setattr(connection, "_CHANNEL_OPTIONS", tuple((options | quick).items()))
    with Daemon("--grace-seconds", "1") as daemon:
        async with Relay(daemon.port) as relay:
            error = await finish_on_a_held_link(relay, RetryPolicy(reconnect_seconds=0.0))
    assert error.code == "UNAVAILABLE"
    assert error.reason != "NO_SUMMARY"


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "grpc_proxy"])
def test_loopback_bypasses_the_proxy(variable: str, tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    soundfile.write(path, np.frombuffer(SECOND * 3, "<i2"), RATE)
    with Daemon() as daemon, socket.create_server(("127.0.0.1", 0)) as proxy:
        environment = {k: v for k, v in os.environ.items() if k.lower() != "no_proxy"}
        port = proxy.getsockname()[1]
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "dfd", "replay", str(path), "--speed", "max"),
                *("--server", f"localhost:{daemon.port}"),
            ],
            env=environment | {variable: f"http://127.0.0.1:{port}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()
