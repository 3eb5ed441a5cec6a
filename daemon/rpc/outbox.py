"""The responses waiting to be written to one client, in order, by one writer."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from dfd.v1 import detection_pb2 as pb

Written = Callable[[], None]
Ready = Callable[[], Awaitable[None]]
_Message = tuple[pb.StreamingDetectResponse, Written | None, Ready | None]


class Outbox:
    """A queue of responses that tells its producer when it is full.

    Args:
        capacity: messages beyond which `until_room` waits; `put` itself never does.

    Attributes:
        writing_since: when writing of the present message began, on the loop's clock; None if
            nothing is being written.
    """

    def __init__(self, capacity: int = 64) -> None:
        self._capacity = capacity
        self._messages: deque[_Message] = deque()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False
        self._opened = False
        self.writing_since: float | None = None

    @property
    def full(self) -> bool:
        """Whether the client is behind with reading."""
        return not self._room.is_set()

    def put(
        self,
        message: pb.StreamingDetectResponse,
        written: Written | None = None,
        ready: Ready | None = None,
    ) -> None:
        """Adds a message; `ready` is awaited before writing, `written` is called afterwards."""
        self._messages.append((message, written, ready))
        self._added()

    def put_first(self, message: pb.StreamingDetectResponse) -> None:
        """Adds a message ahead of all that wait, except the first of the stream."""
        self._messages.insert(0 if self._opened else 1, (message, None, None))
        self._added()

    def close(self) -> None:
        """Marks the end: no more messages will be added."""
        self._closed = True
        self._changed.set()

    def abandon(self) -> None:
        """Drops what was not written, since the client is gone."""
        self._messages.clear()

    async def until_room(self) -> None:
        """Waits until the queue has room."""
        # the stream's timers end it if the client does not read
        await self._room.wait()

    async def write_all(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Writes messages until the outbox is closed and empty."""
        clock = asyncio.get_running_loop().time
        while True:
            while self._messages:
                message, written, ready = self._messages.popleft()
                self._opened = True
                if ready is not None:
                    await ready()
                self.writing_since = clock()
                await write(message.SerializeToString())
                self.writing_since = None
                if written is not None:
                    written()
                if len(self._messages) < self._capacity:
                    self._room.set()
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    def _added(self) -> None:
        if len(self._messages) >= self._capacity:
            self._room.clear()
        self._changed.set()
