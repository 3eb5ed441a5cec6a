"""Floods from a client without a token hardly affect the others."""

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import h2.exceptions
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dfd.v1 import detection_pb2 as pb
from tests.chaos.daemon import Daemon, judged
from tests.chaos.raw import STREAMING, RawClient, frame

MIB = 1 << 20


def slowest_answer(daemon: Daemon, over: threading.Event) -> list[float]:
    """Asks until stopped; returns the slowest answer."""
    took = []
    with daemon.stub() as stub:
        while not over.is_set():
            began = time.monotonic()
            stub.GetServerInfo(
                pb.GetServerInfoRequest(), timeout=20, metadata=[("authorization", "Bearer right")]
            )
            took.append(time.monotonic() - began)
            time.sleep(0.05)  # it measures, and is no flood itself
    return took


@pytest.mark.parametrize("reset", [True, False], ids=["reset at once", "left open"])
def test_a_flood_of_calls_on_one_connection(reset: bool, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[[tokens]]\nname = "a"\ntoken = "right"\n')
    with Daemon("--token-file", str(tokens)) as daemon:
        before = daemon.resident_mib
        over, took = threading.Event(), []
        asking = threading.Thread(target=lambda: took.extend(slowest_answer(daemon, over)))
        asking.start()
        made = 0
        until = time.monotonic() + 5.0
        while time.monotonic() < until:
            # it reconnects when it is disconnected
            with (
                contextlib.suppress(OSError, h2.exceptions.ProtocolError),
                RawClient(daemon.port) as client,
            ):
                while time.monotonic() < until:
                    try:
                        call = client.call(STREAMING)
                    except h2.exceptions.TooManyStreamsError:
                        client.receive(0.05)
                        continue
                    made += 1
                    if reset:
                        client.http.reset_stream(call)
                        client.flush()
                    if made % 50 == 0:
                        client.receive(0.001)
        over.set()
        asking.join(30)
        print(made, max(took), daemon.resident_mib - before)
        assert made > 500
        assert max(took) < 2.0
        assert daemon.resident_mib - before < 100
        assert judged(daemon, metadata=[("authorization", "Bearer right")])[-1].HasField("summary")


def test_watchers_of_health_are_limited() -> None:
    with (
        Daemon() as daemon,
        grpc.insecure_channel(daemon.address, [("grpc.use_local_subchannel_pool", 1)]) as channel,
        contextlib.ExitStack() as stack,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        watches: list[Any] = []
        for _ in range(256):
            watches.append(stub.Watch(health_pb2.HealthCheckRequest()))
            stack.callback(watches[-1].cancel)
            next(watches[-1])
        with pytest.raises(grpc.RpcError) as caught:
            next(stub.Watch(health_pb2.HealthCheckRequest()))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert stub.Check(health_pb2.HealthCheckRequest()).status == 1
        watches[0].cancel()
        daemon.until(lambda: watch_once(stub))


def watch_once(stub: Any) -> bool:
    call = stub.Watch(health_pb2.HealthCheckRequest())
    try:
        return bool(next(call).status)
    except grpc.RpcError:
        return False
    finally:
        call.cancel()


def test_large_messages_to_health_are_refused() -> None:
    with Daemon() as daemon, contextlib.ExitStack() as stack:
        before = daemon.resident_mib
        message = frame(b"\x0a" + bytes(8 * MIB), 60 * MIB)
        for _ in range(12):
            client = stack.enter_context(RawClient(daemon.port))
            with contextlib.suppress(h2.exceptions.ProtocolError):  # refused
                client.push(client.call("/grpc.health.v1.Health/Check"), message, 0.3)
        assert daemon.resident_mib - before < 12 * 8
        daemon.until(lambda: health(daemon) == 1, 20)


def test_what_health_was_asked_is_freed_at_once() -> None:
    """Unknown names, one after the other; eight of them would exceed the limit."""
    with Daemon() as daemon:
        before = daemon.resident_mib
        request = health_pb2.HealthCheckRequest(service="x" * (40 * MIB))
        for _ in range(10):
            with (
                grpc.insecure_channel(daemon.address) as channel,
                pytest.raises(grpc.RpcError) as caught,
            ):
                health_pb2_grpc.HealthStub(channel).Check(request, timeout=20)
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert daemon.resident_mib - before < 300


def health(daemon: Daemon) -> int:
    with grpc.insecure_channel(daemon.address) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            return int(stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status)
        except grpc.RpcError:
            return 0
