"""A client that does nothing occupies its slot for a limited time only."""

import contextlib

import grpc
import pytest

from dfd.v1 import detection_pb2 as pb
from tests.chaos.daemon import RATE, Daemon, audio, config, judged
from tests.chaos.raw import DETECT, RawClient, frame

HEALTH, INFO = "/grpc.health.v1.Health/Check", "/dfd.v1.DetectionService/GetServerInfo"


@pytest.mark.parametrize("half_closes", [False, True])
def test_a_client_with_a_closed_window_loses_its_slot(half_closes: bool) -> None:
    with Daemon("--max-streams", "1", "--write-timeout-seconds", "0.5") as daemon:
        with RawClient(daemon.port, window=0) as client:
            call = client.call()
            client.send(call, frame(config().SerializeToString()))
            client.send(call, frame(audio(1.0).SerializeToString()), end=half_closes)
            daemon.until_logged("stream ended.*end=not_reading.*CLIENT_NOT_READING")
            # the connection still exists, and the slot is free
            assert judged(daemon)[-1].HasField("summary")
        assert daemon.figure("dfd_streams_active") == 0


def test_a_slow_configuration_loses_its_slot() -> None:
    limits = ("--max-streams", "1", "--config-timeout-seconds", "0.5")
    with Daemon(*limits) as daemon, RawClient(daemon.port) as client:
        client.send(client.call(), frame(config().SerializeToString())[:9])
        daemon.until_logged("stream ended.*reason=CONFIG_TIMEOUT")
        assert judged(daemon)[-1].HasField("summary")


def test_clients_that_leave_or_do_not_read_cause_no_traceback() -> None:
    with Daemon("--write-timeout-seconds", "0.3", "--config-timeout-seconds", "0.3") as daemon:
        for _ in range(20):
            with RawClient(daemon.port, window=0) as client:
                call = client.call()
                client.send(call, frame(config().SerializeToString()))
            with RawClient(daemon.port) as client:
                client.send(client.call(), frame(b"\xff\xff\xff"))  # refused and closed
            with RawClient(daemon.port) as client:
                client.call("/dfd.v1.DetectionService/GetServerInfo")
        daemon.until(lambda: daemon.figure("dfd_streams_total") >= 40)
        daemon.until(lambda: daemon.figure("dfd_streams_active") == 0)
    assert daemon.logged("Traceback|grpc") == []


@pytest.mark.parametrize("path", [HEALTH, INFO])
def test_answers_that_nobody_reads_keep_nobody_out(path: str) -> None:
    with Daemon() as daemon, contextlib.ExitStack() as stack, daemon.stub() as stub:
        # more than there may be RPCs at once, on connections that stay
        for _ in range(6):
            client = stack.enter_context(RawClient(daemon.port, window=0))
            client.receive(1.0)
            for _ in range(300):
                client.send(client.call(path), frame(b""), end=True)
        assert judged(daemon)[-1].HasField("summary")

        def answered() -> bool:
            with contextlib.suppress(grpc.RpcError):
                stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=5)
                return True
            return False

        daemon.until(answered)
        if path == INFO:
            # of which there may be more at once than may have ended unread
            daemon.until_logged("connection closed peer=ipv4:127.0.0.1:[0-9]+ calls_not_read=")


def test_a_recording_whose_result_nobody_reads_loses_its_slot() -> None:
    message = pb.DetectRequest(audio_format=config().config.audio_format, audio=bytes(2 * RATE))
    with Daemon("--write-timeout-seconds", "1") as daemon, RawClient(daemon.port, 0) as client:
        stream = client.call(DETECT)
        client.push(stream, frame(message.SerializeToString()), 10.0)
        client.http.end_stream(stream)
        client.flush()
        daemon.until(lambda: daemon.figure("dfd_errors_total", reason="CLIENT_NOT_READING") == 1)
        daemon.until(lambda: daemon.figure("dfd_streams_active") == 0)
