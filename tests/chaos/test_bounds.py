"""Limits of one caller besides slots: connections, speed, reflection."""

import contextlib
import time
from typing import Any

import h2.events

from tests.chaos.daemon import Daemon, audio, config, served
from tests.chaos.raw import RawClient

_REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


def test_excess_connections_are_closed_and_the_others_continue() -> None:
    with Daemon("--max-connections", "4") as daemon, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(RawClient(daemon.port)) for _ in range(3)]
        for client in clients:
            assert client.receive(10.0)  # the server's settings
        with daemon.stub() as stub:
            answers = stub.StreamingDetect(iter([config(), audio(1.0)]), timeout=30)
            assert next(answers).HasField("started")
            for _ in range(3):
                with RawClient(daemon.port) as late, contextlib.suppress(ConnectionError):
                    assert late.receive(10.0) == []
            assert list(answers)[-1].HasField("summary")
        clients[0].socket.close()
        daemon.until(lambda: served(daemon))


def test_fast_senders_are_read_more_slowly_without_loss() -> None:
    with Daemon("--max-stream-bytes-per-second", "64000") as daemon, daemon.stub() as stub:
        requests = [config(), *(audio(0.5) for _ in range(12))]  # 192,000 bytes
        began = time.monotonic()
        answers = list(stub.StreamingDetect(iter(requests), timeout=60))
        assert time.monotonic() - began > 1.5
    (channel,) = answers[-1].summary.channels
    assert channel.audio_duration.ToSeconds() == 6
    assert channel.windows_shed == 0


def test_one_address_cannot_occupy_all_of_reflection() -> None:
    with Daemon() as daemon, RawClient(daemon.port) as greedy:

        def refused(client: RawClient, seconds: float) -> bool:
            stream = client.call(_REFLECTION)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for event in client.receive(0.2):
                    if getattr(event, "stream_id", None) == stream and isinstance(
                        event, h2.events.TrailersReceived | h2.events.ResponseReceived
                    ):
                        headers: Any = dict(event.headers or ())
                        if "grpc-status" in headers:
                            return bool(headers["grpc-status"] == "8")
            return False

        for _ in range(4):
            assert not refused(greedy, 0.3)
        assert refused(greedy, 20.0)
        with RawClient(daemon.port, source="127.0.0.2") as other:
            assert not refused(other, 0.5)
