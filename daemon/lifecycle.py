"""The parts of a daemon's life that are the same for one process and for several."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from dfd.daemon import systemd
from dfd.daemon.endpoint.address import address
from dfd.daemon.options import ServeOptions
from dfd.daemon.page import MetricsPage


def ready_line(options: ServeOptions, port: int, page: MetricsPage | None) -> str:
    """Returns the line printed on standard output once streams are accepted."""
    metrics = f" (metrics {page.url})" if page is not None else ""
    return f"dfd ready on {address(options.host, port)}{metrics}"


def reread_as_asked(reread: Callable[[], None]) -> None:
    """Handles SIGHUP: reads files again, and notifies systemd."""
    systemd.reloading()
    reread()
    systemd.ready()


@dataclass(frozen=True, slots=True)
class Ending:
    """How the daemon ended.

    Attributes:
        drained: whether every stream ended by itself.
        device_idle: False if the device's thread is still busy and has to be abandoned.
    """

    drained: bool
    device_idle: bool


async def unless_signal(work: Coroutine[Any, Any, bool], signals: asyncio.Queue[None]) -> bool:
    """Returns the result of the work; False if a signal arrived first."""
    task = asyncio.ensure_future(work)
    interrupt = asyncio.ensure_future(signals.get())
    try:
        await asyncio.wait({task, interrupt}, return_when=asyncio.FIRST_COMPLETED)
        return task.done() and task.result()
    finally:
        task.cancel()
        interrupt.cancel()
        await asyncio.gather(task, interrupt, return_exceptions=True)
