"""How busy the event loop is, and what one stream costs it."""

import asyncio
import time
from collections.abc import Callable

from dfd.daemon import background

_TICK_SECONDS = 0.25
_SMOOTHING = 0.3
# a lateness of the loop is remembered for about two seconds
_FORGETTING = 0.7
# fewer streams than this say little about the cost of one
_FEWEST = 4


class LoopLoad:
    """Samples its loop a few times per second.

    Args:
        streams: returns the number of running streams.

    Attributes:
        busy: share of a core that the loop uses.
        lag_seconds: the worst recent lag of the loop.
        stream_share: share of a core that one stream uses; None before it is known.
    """

    def __init__(self, streams: Callable[[], int]) -> None:
        self._streams = streams
        self._task: asyncio.Task[None] | None = None
        self.busy = 0.0
        self.lag_seconds = 0.0
        self.stream_share: float | None = None

    def start(self) -> None:
        """Starts sampling."""
        self._task = asyncio.create_task(self._run(), name="dfd-loop-load")

    async def stop(self) -> None:
        """Stops sampling."""
        await background.end(self._task)

    async def _run(self) -> None:
        while True:
            # streams that arrive meanwhile already cost something and are not counted, so the
            # estimate is rather too high than too low
            streams = self._streams()
            began, spent = time.monotonic(), time.thread_time()
            await asyncio.sleep(_TICK_SECONDS)
            seconds = time.monotonic() - began
            self.look(streams, seconds, time.thread_time() - spent)

    def look(self, streams: int, seconds: float, spent_seconds: float) -> None:
        """Takes one interval into account."""
        busy = spent_seconds / seconds
        self.busy += _SMOOTHING * (busy - self.busy)
        self.lag_seconds = max(seconds - _TICK_SECONDS, _FORGETTING * self.lag_seconds)
        if streams >= _FEWEST:
            share = busy / streams
            known = share if self.stream_share is None else self.stream_share
            self.stream_share = known + _SMOOTHING * (share - known)
