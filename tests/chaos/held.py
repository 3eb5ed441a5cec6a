"""What a daemon holds: memory, descriptors, threads and tasks."""

from __future__ import annotations

import collections
import contextlib
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.chaos.daemon import Daemon

# the system's name of the threads of gRPC's pool, and the most that there may be in a process
_POOL, _MOST_IN_POOL = "event_engine", 12
# Memory at rest may grow by the sums of hops that the bundled model keeps (32 MiB), and by what the
# C library keeps of the memory of a hundred streams; while streams run, its lowest points may not
# rise. 16 MiB is what 4 KiB kept of each stream come to in a quarter of half an hour.
_REST_MIB, _RISE_MIB = 64.0, 16.0


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


@dataclass
class Course:
    """What a soak showed.

    Attributes:
        before, after: what the daemon held at rest.
        mib: its memory while streams ran.
        ended: how many streams ended in which way.
    """

    before: Held
    after: Held
    mib: list[float]
    ended: collections.Counter[str]

    @property
    def rise(self) -> float:
        """By how much the lowest point of the last quarter is above that of the third."""
        quarter = len(self.mib) // 4
        if not quarter:
            return 0.0
        return min(self.mib[-quarter:]) - min(self.mib[-2 * quarter : -quarter])

    @property
    def flat(self) -> bool:
        """Whether nothing grew that may not."""
        grown = self.after.mib - self.before.mib
        return self.after.within(self.before) and grown <= _REST_MIB and self.rise <= _RISE_MIB

    def __str__(self) -> str:
        grown = self.after.mib - self.before.mib
        return (
            f"at rest {grown:+.1f} MiB (allowed {_REST_MIB:+.0f}); lowest point of the "
            f"last quarter {self.rise:+.1f} MiB from that of the third "
            f"(allowed {_RISE_MIB:+.0f})"
        )


def _names(pid: int) -> list[str]:
    """Returns the names that the system has for a process' threads."""
    names = []
    for one in Path(f"/proc/{pid}/task").glob("*/comm"):
        with contextlib.suppress(OSError):  # it has ended
            names.append(one.read_text().strip())
    return names
