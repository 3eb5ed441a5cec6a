"""Waits for a server that is loading its model."""

import asyncio

from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError
from dfd.clients.server_info import ServerInfo
from dfd.errors import UserError

_PAUSE_SECONDS = 0.5


async def when_warm(client: AsyncDetectionClient, model: str = "") -> ServerInfo:
    """Returns what the server offers, once its model is loaded.

    Args:
        client: the server's client.
        model: a model that it must have, by its own name for it; empty for none.

    Raises:
        DetectionError: if it cannot be reached, or refused.
        UserError: if it has no such model.
    """
    while True:
        try:
            info = await client.server_info()
        except DetectionError as error:
            if error.reason != "WARMING_UP":
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        names = [one.name for one in info.models]
        if model and model not in names:
            server = client.connection.server
            raise UserError(f"{server} has no model {model!r}: choose from {', '.join(names)}")
        return info
