"""What a daemon holds: memory, descriptors, threads and tasks."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from tests.chaos.daemon import Daemon


@dataclass(frozen=True)
class Held:
    """The resources that the daemon holds."""

    mib: float
    descriptors: int
    threads: int
    tasks: int

    @classmethod
    def by(cls, daemon: Daemon) -> Held:
        """Reads them from the system, and the tasks from the daemon."""
        # a request to the metrics page has two threads while it is answered, so it comes last
        one = psutil.Process(daemon.process.pid)
        processes = [one, *one.children(recursive=True)]
        return cls(
            sum(p.memory_info().rss for p in processes) / (1 << 20),
            sum(p.num_fds() for p in processes),
            sum(p.num_threads() for p in processes),
            int(daemon.figure("dfd_tasks")),
        )

    def within(self, other: Held) -> bool:
        """Returns whether it is no more than another, memory aside."""
        return (
            self.descriptors <= other.descriptors
            and self.threads <= other.threads
            and self.tasks <= other.tasks
        )

    def like(self, other: Held) -> bool:
        """Returns whether it is the same as another, memory aside."""
        return self.within(other) and other.within(self)

    def __str__(self) -> str:
        return (
            f"{self.mib:.0f} MiB, {self.descriptors} descriptors, {self.threads} threads, "
            f"{self.tasks} tasks"
        )
