"""The entry point of a supervised process: `python -c "... main()" DESCRIPTOR NAME`."""

import asyncio
import importlib
import logging
import os
import signal
import socket
import sys
from typing import cast

from dfd.daemon import logs
from dfd.daemon.multiprocess import orphan
from dfd.daemon.multiprocess.channel import ControlChannel
from dfd.daemon.multiprocess.control import Begin
from dfd.daemon.multiprocess.ledger import SharedLedger
from dfd.daemon.multiprocess.memory import SharedCounts
from dfd.daemon.scheduling.model_slots import Loader


def main() -> None:
    """Runs the role that the supervisor assigns; ends when the supervisor is gone."""
    # a terminal sends them to the whole group, but only the supervisor decides
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    connection = socket.socket(fileno=int(sys.argv[1]))
    orphan.end_with(connection)
    status = 1
    try:
        asyncio.run(_live(connection))
        status = 0
    except Exception:
        logs.log(logging.ERROR, "process fault", exc_info=True)
    finally:
        logging.shutdown()
        sys.stderr.flush()
        # a forward pass cannot be interrupted, nor torch shut down while it runs; and the
        # interpreter might wait for ever for gRPC's threads, with all connections open
        os._exit(status)


async def _live(connection: socket.socket) -> None:
    control = ControlChannel(connection)
    got = await control.receive()
    if got is None:
        return
    begin, (counts, ledger) = got
    assert isinstance(begin, Begin)
    options = begin.options
    logs.configure(options.log_level, options.log_format, f"{begin.role}-{begin.index}")
    if begin.role == "instance":
        from dfd.daemon.multiprocess.instance import run_instance

        end = await run_instance(begin, _loader(begin.loader), control)
    else:
        from dfd.daemon.multiprocess.worker import run_worker

        end = await run_worker(
            options,
            begin.index,
            SharedCounts(counts, begin.workers, begin.instances),
            SharedLedger(ledger, begin.workers, begin.index),
            control,
        )
    control.send(end)
    control.close()


def _loader(name: str) -> Loader:
    module, _, function = name.partition(":")
    return cast(Loader, getattr(importlib.import_module(module), function))
