"""What a daemon holds: memory, descriptors, threads and tasks."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.chaos.daemon import Daemon

# the system's name of the threads of gRPC's pool, and the most that there may be in a process
_POOL, _MOST_IN_POOL = "event_engine", 12


@dataclass(frozen=True)
class Held:
    """The resources that the daemon holds.

    Attributes:
        threads: without those of gRPC's pool, which adds one when all of its own are busy for long,
            as on a crowded machine, and may keep it: their number says nothing about streams.
        pool: the threads of gRPC's pool, which are only to be few.
    """

    mib: float
    descriptors: int
    threads: int
    tasks: int
    pool: int

    @classmethod
    def by(cls, daemon: Daemon) -> Held:
        """Reads them from the system, and the tasks from the daemon."""
        # a request to the metrics page has two threads while it is answered, so it comes last
        one = psutil.Process(daemon.process.pid)
        processes = [one, *one.children(recursive=True)]
        names = [name for p in processes for name in _names(p.pid)]
        pool = names.count(_POOL)
        return cls(
            sum(p.memory_info().rss for p in processes) / (1 << 20),
            sum(p.num_fds() for p in processes),
            len(names) - pool,
            int(daemon.figure("dfd_tasks")),
            pool,
        )

    def within(self, other: Held) -> bool:
        """Returns whether it is no more than another, memory aside."""
        return (
            self.descriptors <= other.descriptors
            and self.threads <= other.threads
            and self.tasks <= other.tasks
            and self.pool <= _MOST_IN_POOL
        )

    def like(self, other: Held) -> bool:
        """Returns whether it is the same as another, memory aside."""
        return self.within(other) and other.within(self)

    def __str__(self) -> str:
        return (
            f"{self.mib:.0f} MiB, {self.descriptors} descriptors, {self.threads} threads and "
            f"{self.pool} of gRPC, {self.tasks} tasks"
        )


def _names(pid: int) -> list[str]:
    """Returns the names that the system has for a process' threads."""
    names = []
    for one in Path(f"/proc/{pid}/task").glob("*/comm"):
        with contextlib.suppress(OSError):  # it has ended
            names.append(one.read_text().strip())
    return names
