"""One stream's windows on their way to be read for watermarks, and the results."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Callable

from dfd.daemon.watermarks.reader import Read, WatermarkReader
from dfd.streaming.judgement.watermarks import Reading
from dfd.streaming.session import StreamSession
from dfd.streaming.types import Alert, Reason, StreamWarning, Window

_UNREAD = "the server is too busy to read all windows for watermarks, so finding none means less"


class StreamWatermarks:
    """The watermarks of one stream.

    Args:
        session: says which windows are wanted, and receives the results.
        reader: reads the windows.
        tell: called with events.
    """

    def __init__(
        self,
        session: StreamSession,
        reader: WatermarkReader,
        tell: Callable[[Alert | StreamWarning], None],
    ) -> None:
        self._session = session
        self._reader = reader
        self._tell = tell
        self._out: set[asyncio.Future[Read]] = set()
        self._sent = 0
        self._warned = False
        self._rate = session.options.model.sample_rate_hz

    @property
    def settled(self) -> bool:
        """Whether no window is in flight."""
        return not self._out

    def offer(self, window: Window, changed: Callable[[], None]) -> None:
        """Submits a window if it is wanted; `changed` is called when it has been read."""
        if not self._session.wants_read(window):
            return
        future = self._reader.submit(window.samples, self._rate, self._sent)
        self._sent += 1
        self._out.add(future)
        future.add_done_callback(functools.partial(self._done, window, changed))

    def give_up(self) -> None:
        """Stops waiting for results."""
        for future in tuple(self._out):
            future.cancel()

    def _done(
        self, window: Window, changed: Callable[[], None], future: asyncio.Future[Read]
    ) -> None:
        self._out.discard(future)
        said = None if future.cancelled() else future.result()
        if said is None:
            self._warn(window)
        else:
            for scheme, confidence in zip(self._reader.schemes, said, strict=True):
                if math.isfinite(confidence):
                    reading = Reading(scheme.name, confidence, scheme.threshold)
                    for alert in self._session.add_reading(window, reading):
                        self._tell(alert)
        changed()

    def _warn(self, window: Window) -> None:
        if self._warned:
            return
        self._warned = True
        self._tell(
            StreamWarning(Reason.WATERMARKS_UNREAD, _UNREAD, window.channel, window.end_seconds)
        )
