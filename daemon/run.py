"""A single-process daemon, from start to end."""

import asyncio
import logging
import signal
from collections.abc import Callable

from dfd.daemon import systemd
from dfd.daemon.lifecycle import Ending, reread_as_asked, unless_signal
from dfd.daemon.logs import log
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.garbage import settle_memory
from dfd.daemon.scheduling.load import load_model
from dfd.daemon.scheduling.local import Loader
from dfd.daemon.server import LAST_WORDS_SECONDS, Server


async def run(
    options: ServeOptions, announce: Callable[[str], None], load: Loader = load_model
) -> Ending:
    """Serves until SIGTERM or SIGINT, then drains; a second signal stops at once.

    Args:
        options: how to serve.
        announce: called with the ready line.
        load: creates the warm classifier.

    Raises:
        UserError: if an option is wrong.
    """
    loop = asyncio.get_running_loop()
    server = Server(options, load)
    signals: asyncio.Queue[None] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.put_nowait, None)
    loop.add_signal_handler(signal.SIGHUP, reread_as_asked, server.reread)
    drained = True
    alive = asyncio.create_task(systemd.keep_alive(lambda: server.well))
    try:
        await server.bind()
        if await unless_signal(server.warm(), signals):
            settle_memory()
            announce(server.ready_line)
            systemd.ready()
            await signals.get()
            systemd.stopping()
            drained = await unless_signal(server.drain(), signals)
            log(logging.INFO, "drained" if drained else "ended with streams running")
    finally:
        alive.cancel()
        device_idle = await server.stop(LAST_WORDS_SECONDS if drained else 0.0)
    return Ending(drained, device_idle)
