"""A single-process daemon, from start to end."""

from collections.abc import Callable

from dfd.daemon.lifecycle import Ending, serve_until_signal
from dfd.daemon.load import load_model
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.garbage import settle_memory
from dfd.daemon.scheduling.model_slots import Loader
from dfd.daemon.server import LAST_WORDS_SECONDS, Server


class _Daemon(Server):
    """A server that has its process to itself."""

    async def start(self) -> bool:
        await self.bind()
        warm = await self.warm()
        settle_memory()
        return warm


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
    server = _Daemon(options, load)
    drained = True
    try:
        drained = await serve_until_signal(server, announce, lambda: server.well)
    finally:
        device_idle = await server.stop(LAST_WORDS_SECONDS if drained else 0.0)
    return Ending(drained, device_idle)
