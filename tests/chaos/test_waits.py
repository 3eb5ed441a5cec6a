"""A client that does nothing occupies its slot for a limited time only."""

import pytest

from tests.chaos.daemon import Daemon, audio, config, judged
from tests.chaos.raw import RawClient, frame


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
