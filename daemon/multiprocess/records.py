"""The protocol between a worker and an instance: records of a fixed size, in few writes."""

import asyncio
import struct
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any


class Verb(IntEnum):
    """The requests of a worker to an instance; a lane is a stream."""

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
    """One end of a socket that carries records; those of one turn of the loop share one write.

    Args:
        incoming: format of received records.
        on_record: called with each record.
        on_lost: called once, when the other end is gone.
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
        """Stores the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Handles received bytes, which may end in the middle of a record."""
        for record in self._records(data):
            self._on_record(*record)

    def connection_lost(self, _: Exception | None) -> None:
        """Reports that the other end is gone."""
        self._transport = None
        self._on_lost()

    def say(self, record: bytes) -> None:
        """Sends a record at the end of this turn of the loop."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(record)

    def close(self) -> None:
        """Closes the socket after sending what is queued."""
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
