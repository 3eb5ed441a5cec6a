"""Runs a daemon, and measures what it uses of the machine."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfd.clients.runs.local_daemon import StartedDaemon, started_daemon
from dfd.errors import UserError

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running `dfd serve`, and what it uses."""

    started: StartedDaemon

    def cpu_seconds(self) -> float:
        """Returns the CPU time so far of all its processes."""
        return sum(_cpu_seconds(pid) for pid in _tree(self.started.pid))

    def memory_bytes(self) -> int:
        """Returns the memory in use by all its processes; what they share counts once."""
        return sum(_memory_bytes(pid) for pid in _tree(self.started.pid))


@contextlib.contextmanager
def running(arguments: Sequence[str], ready_seconds: float = 600.0) -> Iterator[Daemon]:
    """Runs `dfd serve` on a free loopback port until the context ends.

    Args:
        arguments: further arguments of `dfd serve`.
        ready_seconds: how long it may take to start.

    Raises:
        UserError: if it does not start, or this system does not report what processes use.
    """
    if not Path("/proc/self/stat").exists():
        raise UserError("dfd bench serve reads what processes use from /proc: run it on Linux")
    with started_daemon(["--log-level=warning", *arguments], ready_seconds) as daemon:
        yield Daemon(daemon)


def _tree(root: int) -> list[int]:
    """Returns a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # the name, in brackets, may contain anything
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
