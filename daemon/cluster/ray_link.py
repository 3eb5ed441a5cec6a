"""The connection on which a daemon sends batches to a replica, which answers with their LLRs.

A connection begins with the challenge of `multiprocessing`: both sides prove that they know the
replica's key, which only members of its cluster can ask for. Nothing is unpickled.
"""

import contextlib
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from multiprocessing import AuthenticationError, BufferTooShort
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Batch = tuple[NDArray[np.float32], NDArray[np.int64]]

# number of the batch, windows, samples of each; then one message with the lengths, one with all
# windows
_REQUEST = struct.Struct("!QII")
# number of the batch, and whether LLRs follow or the text of an error
_ANSWER = struct.Struct("!Q?")
_GREETING_SECONDS = 5
# A machine that is gone closes no connection: the kernel does, after this long without a sign.
_SILENT_SECONDS = 3
_MOST_WINDOWS, _MOST_SAMPLES = 4096, 1 << 24


class LinkError(Exception):
    """The other side is gone, or is not what it should be."""


class Link:
    """One connection; each direction belongs to one thread.

    Args:
        connected: a connected TCP socket, which this takes over.
    """

    def __init__(self, connected: socket.socket) -> None:
        _tune(connected)
        self._connection: Connection[Any, Any] = Connection(connected.detach())

    @classmethod
    def connect(cls, host: str, port: int, key: bytes) -> Self:
        """Connects to a replica.

        Raises:
            LinkError: if it does not answer, or does not know the key.
        """
        try:
            link = cls(socket.create_connection((host, port), timeout=_GREETING_SECONDS))
        except OSError as error:
            raise LinkError(str(error)) from error
        with link._greeting() as connection:
            answer_challenge(connection, key)
            deliver_challenge(connection, key)
        return link

    def accept(self, key: bytes) -> None:
        """Lets the other side prove that it knows the key, and proves it.

        Raises:
            LinkError: if it does not.
        """
        with self._greeting() as connection:
            deliver_challenge(connection, key)
            answer_challenge(connection, key)

    @contextlib.contextmanager
    def _greeting(self) -> Iterator["Connection[Any, Any]"]:
        _limit(self._connection.fileno(), _GREETING_SECONDS)
        try:
            yield self._connection
            _limit(self._connection.fileno(), 0)
        except (OSError, EOFError, AuthenticationError, AssertionError) as error:
            self.close()
            raise LinkError(f"no greeting: {error}") from error

    def ask(self, number: int, windows: NDArray[np.float32], lengths: NDArray[np.int64]) -> None:
        """Sends a batch (B, N).

        Raises:
            LinkError: if the connection is gone.
        """
        with _broken():
            self._connection.send_bytes(_REQUEST.pack(number, *windows.shape))
            self._connection.send_bytes(np.ascontiguousarray(lengths, "<i8").data)
            self._connection.send_bytes(np.ascontiguousarray(windows, "<f4").data)

    def asked(self) -> tuple[int, Batch]:
        """Waits for a batch.

        Raises:
            LinkError: if the connection is gone, or what came is not a batch.
        """
        with _broken():
            number, count, samples = _REQUEST.unpack(self._connection.recv_bytes(_REQUEST.size))
            if not (1 <= count <= _MOST_WINDOWS and 1 <= samples <= _MOST_SAMPLES):
                raise LinkError(f"a batch of {count} windows of {samples} samples")
            lengths, windows = np.empty(count, "<i8"), np.empty((count, samples), "<f4")
            for part in (lengths, windows):
                if self._connection.recv_bytes_into(part.data.cast("B")) != part.nbytes:
                    raise LinkError(f"windows of {samples} samples were announced, and others came")
            return number, (windows, lengths)

    def answer(self, number: int, found: NDArray[np.float32] | str) -> None:
        """Sends a batch's LLRs, or why there are none.

        Raises:
            LinkError: if the connection is gone.
        """
        scored = not isinstance(found, str)
        content = found.encode() if isinstance(found, str) else found.astype("<f4").tobytes()
        with _broken():
            self._connection.send_bytes(_ANSWER.pack(number, scored) + content)

    def answered(self, seconds: float) -> tuple[int, NDArray[np.float32] | str] | None:
        """Waits up to `seconds` for an answer; returns None if none came.

        Raises:
            LinkError: if the connection is gone.
        """
        with _broken():
            if not self._connection.poll(max(0.0, seconds)):
                return None
            said = self._connection.recv_bytes()
            number, scored = _ANSWER.unpack_from(said)
            content = said[_ANSWER.size :]
            return number, np.frombuffer(content, "<f4") if scored else content.decode()

    def close(self) -> None:
        """Closes the connection, which also ends a wait of another thread."""
        with contextlib.suppress(OSError), _same_socket(self._connection.fileno()) as both:
            both.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._connection.close()


@contextlib.contextmanager
def _broken() -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, BufferTooShort, struct.error) as error:
        raise LinkError(str(error) or "the connection was closed") from error


def listen(host: str) -> socket.socket:
    """Listens on a free port of one of this machine's addresses."""
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    return socket.create_server((host, 0), family=family, backlog=128)


def _tune(connected: socket.socket) -> None:
    """Sends at once, and notices within seconds that the other machine is gone."""
    connected.setblocking(True)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", 1),
        ("TCP_KEEPINTVL", 1),
        ("TCP_KEEPCNT", _SILENT_SECONDS),
        ("TCP_USER_TIMEOUT", 1000 * _SILENT_SECONDS),
    ):
        if hasattr(socket, option):  # Linux
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _same_socket(descriptor: int) -> socket.socket:
    return socket.socket(fileno=os.dup(descriptor))


def _limit(descriptor: int, seconds: int) -> None:
    """Limits how long a read or a write may take; 0 sets no limit."""
    with _same_socket(descriptor) as same:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            same.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))
