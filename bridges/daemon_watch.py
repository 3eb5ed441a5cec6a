"""Checks regularly whether the daemon can be reached, so that an operator knows at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from dfd.bridges.log import log
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError
from dfd.clients.options import Connection
from dfd.clients.transport.trouble import Trouble, diagnose

_GOOD_SECONDS = 5.0
_BAD_SECONDS = 2.0
_TIMEOUT_SECONDS = 5.0
_AGAIN_SECONDS = 60.0


class DaemonWatch:
    """Asks the daemon for its information for as long as the bridge runs.

    Args:
        client: a client of the daemon.
        connection: its address, and how to connect.
        changed: called with the trouble, or None when it is over.
    """

    def __init__(
        self,
        client: AsyncDetectionClient,
        connection: Connection,
        changed: Callable[[Trouble | None], None],
    ) -> None:
        self._client = client
        self._connection = connection
        self._changed = changed
        self._trouble: Trouble | None = None
        self._asked = False
        self._told = 0.0

    async def run(self) -> None:
        """Checks for ever."""
        while True:
            await self.ask()
            await asyncio.sleep(_GOOD_SECONDS if self._trouble is None else _BAD_SECONDS)

    async def ask(self) -> Trouble | None:
        """Checks once, and reports changes."""
        try:
            info = await self._client.server_info(_TIMEOUT_SECONDS)
        except DetectionError as error:
            # this may connect once more, to see what is listening there
            self._failed(await asyncio.to_thread(diagnose, error, self._connection))
        else:
            if self._trouble is not None or not self._asked:
                models = ", ".join(f"{one.name} {one.version}" for one in info.models)
                log(logging.INFO, "daemon reached", server=self._connection.server, models=models)
                self._changed(None)
            self._trouble = None
        self._asked = True
        return self._trouble

    def _failed(self, trouble: Trouble) -> None:
        now = asyncio.get_running_loop().time()
        if trouble != self._trouble or now - self._told > _AGAIN_SECONDS:
            self._told = now
            log(
                logging.ERROR,
                "daemon not reached; calls are not judged",
                server=self._connection.server,
                reason=trouble.reason,
                advice=trouble.advice,
            )
        self._trouble = trouble
        self._changed(trouble)
