"""Tasks that run beside the streams until they are ended."""

import asyncio
import contextlib


async def end(task: "asyncio.Task[None] | None") -> None:
    """Cancels a task, if there is one, and waits until it has ended."""
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
