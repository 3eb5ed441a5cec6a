"""Messages, with file descriptors, between the supervisor and its processes."""

import asyncio
import os
import pickle
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from dfd.daemon.options import ServeOptions
from dfd.detector.spec import ModelSpec

_LARGEST_BYTES = 1 << 18
_MOST_DESCRIPTORS = 4


@dataclass(frozen=True, slots=True)
class Sources:
    """What the instances of a model have loaded, each as `--model` takes it."""

    active: str
    waiting: str | None = None
    previous: str | None = None


class Verb(Enum):
    """A step of replacing a model; each of the first three is followed by one of the others."""

    LOAD = "load"
    ACTIVATE = "activate"
    ROLL_BACK = "rollback"
    KEEP = "keep"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Begin:
    """The first message to a process, with the descriptors of the shared counts and ledger.

    Attributes:
        role: "worker" or "instance".
        index: its number among those of its role, from 0.
        loader: "module:function" that makes the warm classifier.
        sources: of an instance whose model was replaced; None means what the options name.
        replaced: the model that the options name, if another took its place.
    """

    role: str
    index: int
    options: ServeOptions
    loader: str
    workers: int
    instances: int
    sources: Sources | None = None
    replaced: ModelSpec | None = None


@dataclass(frozen=True, slots=True)
class Connect:
    """To a worker or an instance: a connection to the other one, and the worker's slots."""

    index: int
    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class Drain:
    """To a worker: accept no new streams and end when the running ones have ended."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End at once."""


@dataclass(frozen=True, slots=True)
class Reread:
    """To a worker: read tokens, keys and certificates again."""


@dataclass(frozen=True, slots=True)
class Report:
    """To a process: send your metrics."""

    number: int


@dataclass(frozen=True, slots=True)
class Step:
    """To an instance: take a step of replacing its model.

    Attributes:
        source: what to load.
    """

    number: int
    verb: Verb
    source: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """The models that instances have warm; to a worker: those of the model of this index."""

    model: int
    active: ModelSpec
    waiting: ModelSpec | None = None
    previous: ModelSpec | None = None


@dataclass(frozen=True, slots=True)
class Managed:
    """To a worker: its request to replace a model was done.

    Attributes:
        mistake: why nothing was changed; None if it was done.
    """

    number: int
    model: int
    mistake: str | None


@dataclass(frozen=True, slots=True)
class Warm:
    """From an instance: the model is loaded."""

    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class Stepped:
    """From an instance: what became of a step.

    Attributes:
        mistake: why it was not taken; None if it was.
    """

    number: int
    mistake: str | None
    standing: Standing


@dataclass(frozen=True, slots=True)
class Manage:
    """From a worker: a client asks that a model be replaced."""

    number: int
    model: int
    verb: Verb
    source: str


@dataclass(frozen=True, slots=True)
class Bound:
    """From a worker: the port is bound."""


@dataclass(frozen=True, slots=True)
class Serving:
    """From a worker: streams are accepted, or not for the time being."""

    serving: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """From a process: it is about to end.

    Attributes:
        drained: whether every stream ended by itself.
        mistake: the user's mistake that ended it; None if there was none.
    """

    drained: bool = True
    mistake: str | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """From a process: its metrics, as returned by `merge.snapshot`."""

    number: int
    families: list[Any]


@dataclass(frozen=True, slots=True)
class Watched:
    """From a worker: it has watchers, or no longer has any."""

    watched: bool


@dataclass(frozen=True, slots=True)
class Show:
    """To a worker: start sending your streams, all of them first, or stop sending them."""

    shown: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """From a worker, and on to watched workers: streams that changed, or all running ones.

    Attributes:
        begins, ends: whether this is the first or the last part of all running streams.
        streams: `WatchedStream`s.
    """

    worker: int
    begins: bool
    ends: bool
    streams: list[bytes]


@dataclass(frozen=True, slots=True)
class Gone:
    """To a worker: another one died."""

    worker: int


ControlMessage = (
    Begin
    | Connect
    | Drain
    | Stop
    | Report
    | Reread
    | Step
    | Stepped
    | Standing
    | Manage
    | Managed
    | Warm
    | Bound
    | Serving
    | Ended
    | Figures
    | Watched
    | Show
    | Shown
    | Gone
)


class ControlChannel:
    """One end of the socket between the supervisor and a process; both trust each other.

    Sent descriptors remain the sender's.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._received: asyncio.Queue[tuple[ControlMessage, list[int]] | None] = asyncio.Queue()
        self._outgoing: deque[tuple[bytes, list[int]]] = deque()
        self._open = True
        self._loop.add_reader(connection, self._receive)

    async def receive(self) -> tuple[ControlMessage, list[int]] | None:
        """Returns the next message with its descriptors; None when the other end is gone."""
        return await self._received.get()

    def send(self, message: ControlMessage, descriptors: Sequence[int] = ()) -> None:
        """Sends a message, which is lost if the process is gone."""
        # duplicated until it is sent, in case the sender closes its own
        held = [os.dup(descriptor) for descriptor in descriptors]
        self._outgoing.append((pickle.dumps(message), held))
        if len(self._outgoing) == 1:
            self._flush()

    def close(self) -> None:
        """Closes the socket."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._connection)
            self._loop.remove_writer(self._connection)
            self._connection.close()
        for _, held in self._outgoing:
            _close_all(held)
        self._outgoing.clear()

    def _receive(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(
                self._connection, _LARGEST_BYTES, _MOST_DESCRIPTORS
            )
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if data:
            self._received.put_nowait((pickle.loads(data), descriptors))
        else:
            self._received.put_nowait(None)
            self._loop.remove_reader(self._connection)

    def _flush(self) -> None:
        while self._open and self._outgoing:
            data, held = self._outgoing[0]
            try:
                socket.send_fds(self._connection, [data], held)
            except BlockingIOError:
                self._loop.add_writer(self._connection, self._flush)
                return
            except OSError:
                pass  # gone: the receiving side notices
            self._outgoing.popleft()
            _close_all(held)
        if self._open:
            self._loop.remove_writer(self._connection)


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
