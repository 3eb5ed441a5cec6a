"""File descriptors: each connection needs one, and without any no new one can be accepted."""

import asyncio
import logging
import os
import resource

from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics

_WANTED = 1 << 16
_LOOK_SECONDS = 2.0
_TELL_SECONDS = 30.0
_NEARLY_ALL = 0.9


def raise_limit() -> None:
    """Raises the limit to what the system allows this process, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def nearly_used_up() -> bool:
    """Returns whether few or none are left."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        return len(os.listdir("/proc/self/fd")) > _NEARLY_ALL * soft
    except FileNotFoundError:
        return False  # a system without /proc
    except OSError:
        return True  # not even one to look with


async def keep_watch(metrics: Metrics) -> None:
    """Logs a warning while few are left, and counts this loop's tasks; never returns."""
    loop = asyncio.get_running_loop()
    told_at = -_TELL_SECONDS
    while True:
        metrics.tasks.set(len(asyncio.all_tasks()))
        if nearly_used_up() and loop.time() - told_at >= _TELL_SECONDS:
            told_at = loop.time()
            log(
                logging.ERROR,
                "file descriptors are nearly used up: new connections may not be accepted",
                limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            )
        await asyncio.sleep(_LOOK_SECONDS)
