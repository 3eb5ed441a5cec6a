"""The number of processors that this process may use, from its affinity and its container's quota.

`os.cpu_count()` is the number of the machine. With that many threads, a container that may use two
of 64 cores is stopped by the kernel for most of each period, in the middle of a window.
"""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_ROOT = Path("/")


def usable(root: Path = _ROOT) -> int:
    """Returns the number of processors that this process may keep busy, at least one.

    Args:
        root: root of the file system.
    """
    known = hasattr(os, "sched_getaffinity")
    most = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    quota = cpu_quota(root)
    return most if quota is None else max(1, min(most, math.ceil(quota)))


def limit(root: Path = _ROOT) -> int | None:
    """Returns `usable` if there is a quota; None if libraries can choose by themselves.

    Args:
        root: root of the file system.
    """
    return None if cpu_quota(root) is None else usable(root)


def cpu_quota(root: Path = _ROOT) -> float | None:
    """Returns the processor time per second that the control groups allow; None if unlimited.

    Groups are nested, and each may have a limit; the smallest applies.
    """
    found = [limit for folder in group_folders(root) if (limit := _limit(folder)) is not None]
    return min(found, default=None)


def group_folders(root: Path = _ROOT, controller: str = "cpu") -> Iterator[Path]:
    """Yields the folders with the limits of this process's group and of the group's ancestors.

    Args:
        root: root of the file system.
        controller: what is limited, by the name of version 1: "cpu" or "memory".
    """
    mounts = root / "sys/fs/cgroup"
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = (root / "proc/self/cgroup").read_text("utf-8", "replace").splitlines()
    for line in lines:
        tops: tuple[Path, ...] = ()
        _, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if not controllers:  # version 2
            tops = (mounts, mounts / "unified")
        elif controller in controllers.split(","):
            tops = (mounts / controller, mounts / controllers)
            if controller == "cpu":
                tops = (*tops, mounts / "cpu,cpuacct")
        parts = PurePosixPath(name.lstrip("/")).parts
        for top in tops:
            # a container may see its own group as the top, whatever its name is outside
            for depth in range(len(parts) + 1):
                yield top.joinpath(*parts[:depth])


def _limit(folder: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text("utf-8").split()
        return None if quota == "max" else int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        spent = int((folder / "cpu.cfs_quota_us").read_text("utf-8"))
        period_us = int((folder / "cpu.cfs_period_us").read_text("utf-8"))
        return spent / period_us if spent > 0 else None
    return None
