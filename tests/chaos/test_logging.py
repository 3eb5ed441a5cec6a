"""Logging blocks nothing, whether the log is read or not."""

import os
import signal
import time
from pathlib import Path

import grpc
import pytest

from dfd.v1 import detection_pb2 as pb
from tests.chaos.daemon import Daemon, judged


def test_nobody_reads_standard_error() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    while True:
        try:
            os.write(writing, b"x" * 4096)
        except BlockingIOError:
            break
    os.set_blocking(writing, True)
    with Daemon("--grace-seconds", "2", stderr=writing) as daemon:
        os.close(writing)
        for _ in range(20):
            assert judged(daemon)[-1].HasField("summary")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(10) == 0
    os.close(reading)


def test_a_flood_of_wrong_tokens_is_logged_at_a_bounded_rate(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[[tokens]]\nname = "a"\ntoken = "right"\n')
    with Daemon("--token-file", str(tokens)) as daemon, daemon.stub() as stub:
        began = time.monotonic()
        for _ in range(300):
            with pytest.raises(grpc.RpcError):
                stub.GetServerInfo(
                    pb.GetServerInfoRequest(), metadata=[("authorization", "Bearer wrong-one")]
                )
        seconds = time.monotonic() - began
        lines = daemon.logged("call refused.*TOKEN_UNKNOWN.*peer=")
        assert 1 <= len(lines) <= 5 * (seconds + 2)
        assert not daemon.logged("wrong-one")
        assert daemon.figure("dfd_errors_total", reason="TOKEN_UNKNOWN") == 300
