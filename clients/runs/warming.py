"""Waits for a server that is loading its model."""

import asyncio
import time
from collections.abc import Callable

from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError
from dfd.clients.events import ServerInfo

_PAUSE_SECONDS = 0.5
_TOLD_EVERY_SECONDS = 10.0


async def when_warm(client: AsyncDetectionClient, tell: Callable[[str], None]) -> ServerInfo:
    """Returns what the server offers, once its model is loaded.

    Args:
        client: the server's client.
        tell: called with a progress message, at once and every ten seconds.

    Raises:
        DetectionError: if it cannot be reached, or refused.
    """
    told, began = 0.0, time.monotonic()
    while True:
        try:
            return await client.server_info()
        except DetectionError as error:
            if error.reason != "WARMING_UP":
                raise
        waited = time.monotonic() - began
        if waited >= told:
            tell(f"waiting for {client.connection.server} to load its model, {waited:.0f} s so far")
            told += _TOLD_EVERY_SECONDS
        await asyncio.sleep(_PAUSE_SECONDS)
