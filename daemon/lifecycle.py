"""What the life of a daemon has in common, of one process or of several."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from dfd.daemon import systemd
from dfd.daemon.endpoint.address import address
from dfd.daemon.options import ServeOptions
from dfd.daemon.page import MetricsPage


def ready_line(options: ServeOptions, port: int, page: MetricsPage | None) -> str:
    """What is said on standard output once streams are taken."""
    metrics = f" (metrics {page.url})" if page is not None else ""
    return f"dfd ready on {address(options.host, port)}{metrics}"


def reread_as_asked(reread: Callable[[], None]) -> None:
    """What SIGHUP does: files are read again, and systemd is told."""
    systemd.reloading()
    reread()
    systemd.ready()


@dataclass(frozen=True, slots=True)
class Ending:
    """How the daemon ended.

    Attributes:
        drained: every stream came to its end.
        device_idle: False where the device's thread is still busy and has to be left behind.
    """

    drained: bool
    device_idle: bool


async def unless_signal(work: Coroutine[Any, Any, bool], signals: asyncio.Queue[None]) -> bool:
    """What the work returns; False where a signal came first."""
    task = asyncio.ensure_future(work)
    interrupt = asyncio.ensure_future(signals.get())
    try:
        await asyncio.wait({task, interrupt}, return_when=asyncio.FIRST_COMPLETED)
        return task.done() and task.result()
    finally:
        task.cancel()
        interrupt.cancel()
        await asyncio.gather(task, interrupt, return_exceptions=True)
