"""A local daemon, for users who have none running."""

from __future__ import annotations

import contextlib
import importlib.util
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dfd.errors import UserError

# Run by this interpreter, since a virtual environment need not be on the path.
DFD = (sys.executable, "-m", "dfd")
_READY = "dfd ready on "
_SERVE = ("serve", "--host=127.0.0.1", "--port=0", "--no-metrics", "--grace-seconds=2")


def answers(server: str) -> bool:
    """Returns whether anything accepts connections at "host:port"."""
    host, _, port = server.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2.0):
            return True
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class StartedDaemon:
    """A running `dfd serve`.

    Attributes:
        address: "host:port".
        ready_seconds: time from its start until it accepted streams.
    """

    pid: int
    address: str
    ready_seconds: float


@contextlib.contextmanager
def _unwinding() -> Iterator[None]:
    """Makes SIGTERM run the `finally` clauses, so that no daemon is left behind."""

    def leave(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def local_daemon(arguments: Sequence[str] = (), ready_seconds: float = 120.0) -> Iterator[str]:
    """Runs `dfd serve` like `started_daemon`, but yields only its address."""
    with started_daemon(arguments, ready_seconds) as daemon:
        yield daemon.address


@contextlib.contextmanager
def started_daemon(
    arguments: Sequence[str] = (),
    ready_seconds: float = 120.0,
    command: Sequence[str] = (*DFD, *_SERVE),
) -> Iterator[StartedDaemon]:
    """Runs `dfd serve` on a free loopback port until the context ends.

    Args:
        arguments: arguments for `dfd serve`, such as its model.
        ready_seconds: how long it may take to start.
        command: what to run instead, if it prints the same line when it is ready.

    Raises:
        UserError: if the daemon is not installed, or does not start.
    """
    if importlib.util.find_spec("torch") is None:
        raise UserError(
            "no server answers and none can be started here: pip install 'dfd[serve]', or name"
            " one with --server"
        )
    with _unwinding(), tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as log:
        began = time.monotonic()
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=log,
            start_new_session=True,  # Ctrl-C is meant for the client; the daemon ends after it
        )
        try:
            while time.monotonic() < began + ready_seconds and process.poll() is None:
                output.seek(0)
                first = output.readline()
                if first.startswith(_READY) and first.endswith("\n"):
                    address = first.removeprefix(_READY).split()[0]
                    yield StartedDaemon(process.pid, address, time.monotonic() - began)
                    return
                time.sleep(0.05)
            log.seek(0)
            last = (log.read().strip() or "it did not become ready").splitlines()[-1]
            raise UserError(f"the daemon did not start: {last}")
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
