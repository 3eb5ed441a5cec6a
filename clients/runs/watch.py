"""Follows all streams of a daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError
from dfd.clients.options import RetryPolicy
from dfd.clients.transport.retry import Backoff
from dfd.clients.watching import StreamsUpdate


async def follow(
    client: AsyncDetectionClient,
    on_update: Callable[[StreamsUpdate], None],
    on_lost: Callable[[DetectionError], None] = lambda error: None,
    *,
    interval_seconds: float = 0.5,
    wait_for_server: bool = False,
) -> None:
    """Watches, and reconnects if the daemon is lost or full; ends when cancelled.

    Args:
        client: the server.
        on_update: called with every update.
        on_lost: called each time the daemon is lost, before the next attempt.
        interval_seconds: shortest time between two updates.
        wait_for_server: wait also for a daemon that cannot be reached at first.

    Raises:
        DetectionError: if the server refused, or could not be reached at first.
    """
    policy = RetryPolicy()
    backoff = Backoff(policy, float("inf") if wait_for_server else 0.0)
    while True:
        try:
            async for update in client.watch(interval_seconds):
                backoff = Backoff(policy, float("inf"))
                on_update(update)
        except DetectionError as error:
            delay = backoff.next_delay(error)
            if delay is None:
                raise
            on_lost(error)
            await asyncio.sleep(delay)
