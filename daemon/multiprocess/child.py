"""The entry point of a supervised process: `python -c "... main()" DESCRIPTOR NAME`."""

import asyncio
import importlib
import logging
import os
import signal
import socket
import sys
from dataclasses import replace
from typing import cast

from dfd.daemon import logs
from dfd.daemon.multiprocess.control import Begin, ControlChannel
from dfd.daemon.multiprocess.memory import SharedCounts
from dfd.daemon.scheduling.local import Loader


def main() -> None:
    """Runs what the supervisor asks for; ends when the supervisor is gone."""
    # they reach the whole group of a terminal: it is the supervisor that decides
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(_live(socket.socket(fileno=int(sys.argv[1]))))
    logging.shutdown()
    sys.stderr.flush()
    os._exit(0)  # a forward pass cannot be interrupted, nor torch finalised under it


async def _live(connection: socket.socket) -> None:
    control = ControlChannel(connection)
    got = await control.receive()
    if got is None:
        return
    begin, (counts,) = got
    assert isinstance(begin, Begin)
    options = begin.options
    logs.configure(options.log_level, options.log_format, f"{begin.role}-{begin.index}")
    if begin.role == "instance":
        from dfd.daemon.multiprocess.instance import run_instance

        options = replace(options, device=options.devices[begin.index])
        end = await run_instance(options, _loader(begin.loader), control)
    else:
        from dfd.daemon.multiprocess.worker import run_worker

        end = await run_worker(
            options, begin.index, SharedCounts(counts, begin.workers, begin.instances), control
        )
    control.send(end)
    control.close()


def _loader(name: str) -> Loader:
    module, _, function = name.partition(":")
    return cast(Loader, getattr(importlib.import_module(module), function))
