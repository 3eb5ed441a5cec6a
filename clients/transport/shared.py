"""What the two sides of a stream share: its caller, and its connection."""

import asyncio
import contextlib
from dataclasses import dataclass, field

from dfd.clients import events as ev
from dfd.clients.transport.buffer import AudioBuffer

# Events kept for a caller who does not read them: a day's worth, since a caller may send a whole
# recording before reading. Beyond that the server is slowed down.
_EVENT_BACKLOG = 1 << 16


@dataclass(eq=False)
class StreamState:
    """What the two sides of a stream share; both run in one event loop.

    Attributes:
        changed: set when there is audio to send, or its end.
        space: set when the buffer may have room again, or the stream is over.
        over: whether no more audio is taken, and no events follow those already queued.
        error: why it is over; None if the summary arrived.
        opened: the first `Started`, or why there is none.
    """

    buffer: AudioBuffer
    events: asyncio.Queue[ev.Event | None] = field(
        default_factory=lambda: asyncio.Queue(_EVENT_BACKLOG)
    )
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    space: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False
    error: Exception | None = None
    opened: asyncio.Future[ev.Started] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def end(self) -> None:
        """Marks the stream as over and wakes all waiters."""
        self.over = True
        self.space.set()
        with contextlib.suppress(asyncio.QueueFull):
            self.events.put_nowait(None)
