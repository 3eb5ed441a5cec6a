"""Room for whole recordings, reserved in bytes before they are read."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress


class Uploads:
    """A budget of bytes that calls share, first come, first served; used by one event loop."""

    def __init__(self, capacity_bytes: int) -> None:
        self._free = capacity_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[Callable[[int], None]]:
        """Waits for room and reserves it; the yielded function corrects the size once known."""
        await self._take(size)
        held = size

        def shrink(actual: int) -> None:
            nonlocal held
            if actual < held:
                self._give(held - actual)
                held = actual

        try:
            yield shrink
        finally:
            self._give(held)

    async def _take(self, size: int) -> None:
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        turn = asyncio.get_running_loop().create_future()
        entry = (size, turn)
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give(size)
            else:
                with suppress(ValueError):  # already removed
                    self._waiting.remove(entry)
                self._serve()
            raise

    def _give(self, size: int) -> None:
        self._free += size
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._free -= size
                turn.set_result(None)
