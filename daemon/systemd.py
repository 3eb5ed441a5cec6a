"""Notifications to systemd, if it started this daemon: ready, alive, reloading, stopping."""

import asyncio
import os
import socket
import time
from collections.abc import Callable

_WATCHDOG = "WATCHDOG_USEC"


def notify(*lines: str) -> None:
    """Sends lines like `sd_notify(3)`; does nothing if systemd is not listening."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where.startswith(("/", "@")):
        return
    path = f"\0{where[1:]}" if where.startswith("@") else where
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), path)
    except OSError:
        return  # systemd asks again, or restarts a daemon that it does not hear from


def ready() -> None:
    """Reports that streams are accepted."""
    notify("READY=1", "STATUS=accepting streams")


def stopping() -> None:
    """Reports that the daemon is draining."""
    notify("STOPPING=1", "STATUS=draining")


def reloading() -> None:
    """Reports that files are being reread; `ready` follows."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


async def keep_alive(well: Callable[[], bool]) -> None:
    """Sends keep-alives as often as systemd expects them; never returns.

    Args:
        well: returns whether the daemon is healthy; if not, nothing is sent, and systemd
            restarts it.
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
