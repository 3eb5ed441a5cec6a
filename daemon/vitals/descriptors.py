"""File descriptors: each connection takes one, and without any nobody new can be heard."""

import asyncio
import logging
import os
import resource

from dfd.daemon.logs import log

_WANTED = 1 << 16
_LOOK_SECONDS = 2.0
_TELL_SECONDS = 30.0
_NEARLY_ALL = 0.9


def raise_limit() -> None:
    """Takes as many as the system lets this process have, up to what ever makes sense."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def nearly_used_up() -> bool:
    """Whether few are left, or none."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        return len(os.listdir("/proc/self/fd")) > _NEARLY_ALL * soft
    except FileNotFoundError:
        return False  # a system without /proc
    except OSError:
        return True  # not even one for looking


async def keep_watch() -> None:
    """Says so in the log while few are left; never ends."""
    loop = asyncio.get_running_loop()
    told_at = -_TELL_SECONDS
    while True:
        if nearly_used_up() and loop.time() - told_at >= _TELL_SECONDS:
            told_at = loop.time()
            log(
                logging.ERROR,
                "descriptors are nearly used up: new connections may not be taken",
                limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            )
        await asyncio.sleep(_LOOK_SECONDS)
