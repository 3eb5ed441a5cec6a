"""What a worker and an instance say to each other: records of a fixed size, few writes."""

import asyncio
import struct
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any


class Verb(IntEnum):
    """What a worker asks of an instance; a lane is a stream."""

    OPEN = 0
    CLOSE = 1
    CANCEL = 2
    SUBMIT = 3


# verb, kind, channel, lane, slot, samples, arrived_at, due_at
REQUEST = struct.Struct("<BBHIIIdd")
# slot, status, batch size, LLR, queue and compute seconds
REPLY = struct.Struct("<IIIxxxxddd")
NO_SCORE = float("nan")


class RecordLink(asyncio.Protocol):
    """One end of a socket that carries records; what is said in one turn of the loop is one write.

    Args:
        incoming: the form of what is received.
        on_record: takes one record.
        on_lost: the other end is gone; called once.
    """

    def __init__(
        self,
        incoming: struct.Struct,
        on_record: Callable[..., None],
        on_lost: Callable[[], None],
    ) -> None:
        self._incoming = incoming
        self._on_record = on_record
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._outgoing: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        """Begins."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Takes what came, whole records or not."""
        for record in self._records(data):
            self._on_record(*record)

    def connection_lost(self, _: Exception | None) -> None:
        """Ends."""
        self._transport = None
        self._on_lost()

    def say(self, record: bytes) -> None:
        """Sends a record at the end of this turn of the loop."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(record)

    def close(self) -> None:
        """Lets go of the socket, after what was said."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def _records(self, data: bytes) -> Iterator[tuple[Any, ...]]:
        data = self._rest + data
        whole = len(data) - len(data) % self._incoming.size
        self._rest = data[whole:]
        return self._incoming.iter_unpack(data[:whole])

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if self._transport is not None and outgoing:
            self._transport.write(b"".join(outgoing))
