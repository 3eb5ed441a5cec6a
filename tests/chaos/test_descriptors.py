"""Without a free descriptor no new client is accepted, and the others lose nothing."""

import contextlib
import resource
import socket

import psutil

from tests.chaos.daemon import Daemon, served
from tests.chaos.live import Live


def test_running_streams_complete_without_a_free_descriptor() -> None:
    with Daemon() as daemon, Live(daemon) as live, contextlib.ExitStack() as stack:
        daemon.until(lambda: daemon.figure("dfd_windows_total") > 0)
        process = psutil.Process(daemon.process.pid)
        limit = process.num_fds() + 10
        process.rlimit(resource.RLIMIT_NOFILE, (limit, limit))
        for _ in range(12):  # idle connections that never send anything
            stack.enter_context(
                contextlib.closing(socket.create_connection(("127.0.0.1", daemon.port)))
            )
        daemon.until_logged("descriptors are nearly used up")
        assert process.num_fds() >= limit - 1
        live.finish()
        live.until_told("summary", 20.0)
        # the idle ones are closed, and then there is room again
        daemon.until(lambda: process.num_fds() < limit - 5, 40.0)
        daemon.until(lambda: served(daemon))
    assert not daemon.logged("Traceback")
