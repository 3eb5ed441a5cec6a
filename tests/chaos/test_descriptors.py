"""Without a free descriptor nobody new is heard; those who are here lose nothing."""

import contextlib
import resource
import socket

import psutil

from tests.chaos.daemon import Daemon, served
from tests.chaos.live import Live


def test_running_streams_end_well_without_a_free_descriptor() -> None:
    with Daemon() as daemon, Live(daemon) as live, contextlib.ExitStack() as stack:
        daemon.until(lambda: daemon.figure("dfd_windows_total") > 0)
        process = psutil.Process(daemon.process.pid)
        limit = process.num_fds() + 10
        process.rlimit(resource.RLIMIT_NOFILE, (limit, limit))
        for _ in range(12):  # silent ones: what they would say never comes
            stack.enter_context(
                contextlib.closing(socket.create_connection(("127.0.0.1", daemon.port)))
            )
        daemon.until_logged("descriptors are nearly used up")
        assert process.num_fds() >= limit - 1
        live.finish()
        live.until_told("summary", 20.0)
        # the silent ones are hung up on, and then there is room again
        daemon.until(lambda: process.num_fds() < limit - 5, 40.0)
        daemon.until(lambda: served(daemon))
    assert not daemon.logged("Traceback")
