"""What systemd is told, where it started this daemon: ready, alive, reloading, stopping."""

import asyncio
import os
import socket
import time
from collections.abc import Callable

_WATCHDOG = "WATCHDOG_USEC"


def notify(*lines: str) -> None:
    """Sends lines as `sd_notify(3)` does; nothing where systemd does not listen."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where.startswith(("/", "@")):
        return
    path = f"\0{where[1:]}" if where.startswith("@") else where
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), path)
    except OSError:
        return  # it asks for life anew, or ends what it does not hear of


def ready() -> None:
    """Streams are taken."""
    notify("READY=1", "STATUS=taking streams")


def stopping() -> None:
    """Streams that run are let end."""
    notify("STOPPING=1", "STATUS=draining")


def reloading() -> None:
    """Files are read again; `ready` follows."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


async def keep_alive(well: Callable[[], bool]) -> None:
    """Says that all is well, as often as systemd wants to hear it; never ends.

    Args:
        well: whether it is: where not, nothing is said, and systemd starts the daemon anew.
    """
    micros = os.environ.get(_WATCHDOG, "")
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return
    if not micros.isdecimal() or not int(micros):
        return
    while True:
        if well():
            notify("WATCHDOG=1")
        await asyncio.sleep(int(micros) / 1e6 / 3)
