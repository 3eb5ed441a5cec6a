"""A daemon of one's own, and what it takes of the machine."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfd.clients.errors import UserError

DFD = (sys.executable, "-c", "from dfd.cli.main import main; main()")
_READY = "dfd ready on "
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running `dfd serve`.

    Attributes:
        address: "host:port".
        ready_seconds: from its start until it took streams.
    """

    pid: int
    address: str
    ready_seconds: float

    def cpu_seconds(self) -> float:
        """CPU time so far, of all its processes."""
        return sum(_cpu_seconds(pid) for pid in _tree(self.pid))

    def memory_bytes(self) -> int:
        """Memory in use, of all its processes, what they share counted once."""
        return sum(_memory_bytes(pid) for pid in _tree(self.pid))


@contextlib.contextmanager
def running(arguments: Sequence[str], ready_seconds: float = 600.0) -> Iterator[Daemon]:
    """Runs `dfd serve` on a free loopback port until the context ends.

    Args:
        arguments: further ones of `dfd serve`.
        ready_seconds: how long it may take to start.

    Raises:
        UserError: it does not start, or this system does not tell what processes use.
    """
    if not Path("/proc/self/stat").exists():
        raise UserError("dfd bench serve reads what processes use from /proc: run it on Linux")
    command = [
        *DFD,
        "serve",
        "--host=127.0.0.1",
        "--port=0",
        "--no-metrics",
        "--grace-seconds=2",
        "--log-level=warning",
        *arguments,
    ]
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as log:
        began = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=log, start_new_session=True
        )
        try:
            while time.monotonic() < began + ready_seconds and process.poll() is None:
                said.seek(0)
                first = said.readline()
                if first.startswith(_READY) and first.endswith("\n"):
                    address = first.removeprefix(_READY).split()[0]
                    yield Daemon(process.pid, address, time.monotonic() - began)
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


def _tree(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # the name, in brackets, may hold anything
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def _cpu_seconds(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    return 0.0


def _memory_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
