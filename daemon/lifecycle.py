"""The parts of a daemon's life that are the same for one process and for several."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from dfd.daemon import systemd
from dfd.daemon.endpoint.address import address
from dfd.daemon.logs import log
from dfd.daemon.options import ServeOptions
from dfd.daemon.page import MetricsPage


def ready_line(options: ServeOptions, port: int, page: MetricsPage | None) -> str:
    """Returns the line printed on standard output once streams are accepted."""
    metrics = f" (metrics {page.url})" if page is not None else ""
    return f"dfd ready on {address(options.host, port)}{metrics}"


@dataclass(frozen=True, slots=True)
class Ending:
    """How the daemon ended.

    Attributes:
        drained: whether every stream ended by itself.
        device_idle: False if the device's thread is still busy and has to be abandoned.
    """

    drained: bool
    device_idle: bool


class Served(Protocol):
    """A daemon of one process or of several."""

    @property
    def ready_line(self) -> str:
        """The line printed on standard output once streams are accepted."""

    async def start(self) -> bool:
        """Starts, and returns once streams are accepted."""

    async def drain(self) -> bool:
        """Accepts no new streams and lets those that run end; False if some did not."""

    def reread(self) -> None:
        """Reads tokens, keys and certificates again."""


async def serve_until_signal(
    served: Served, announce: Callable[[str], None], well: Callable[[], bool]
) -> bool:
    """Serves until SIGTERM or SIGINT, then drains; a second signal ends at once.

    Args:
        served: is left for the caller to stop.
        announce: takes the ready line.
        well: whether systemd's watchdog is to hear that all is well.

    Returns:
        whether every stream ended by itself.

    Raises:
        UserError: if an option is wrong.
    """
    loop = asyncio.get_running_loop()
    signals: asyncio.Queue[None] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.put_nowait, None)
    loop.add_signal_handler(signal.SIGHUP, _reread, served)
    alive = asyncio.create_task(systemd.keep_alive(well))
    try:
        if not await _unless_signal(served.start(), signals):
            return True
        announce(served.ready_line)
        systemd.ready()
        await signals.get()
        systemd.stopping()
        drained = await _unless_signal(served.drain(), signals)
        log(logging.INFO, "drained" if drained else "ended with streams running")
        return drained
    finally:
        alive.cancel()


def _reread(served: Served) -> None:
    """Handles SIGHUP: reads files again, and notifies systemd."""
    systemd.reloading()
    served.reread()
    systemd.ready()


async def _unless_signal(work: Coroutine[Any, Any, bool], signals: asyncio.Queue[None]) -> bool:
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
