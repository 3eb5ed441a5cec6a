"""The socket between the supervisor and a process: control messages with file descriptors."""

import asyncio
import os
import pickle
import socket
from collections import deque
from collections.abc import Sequence

from dfd.daemon.multiprocess.control import ControlMessage

_LARGEST_BYTES = 1 << 18
_MOST_DESCRIPTORS = 4


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
