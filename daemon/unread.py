"""RPCs that have ended, but whose clients do not read: what they occupy has a bound.

grpc.aio counts an RPC until its status is on the wire. A client whose HTTP/2 window is closed can
delay that for as long as its connection exists, and nothing in grpc.aio ends an RPC or a connection
from the server's side. So the connection that has most such RPCs is closed when there are too many.
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
from collections import Counter
from collections.abc import Coroutine, Generator
from typing import Any
from urllib.parse import quote

import grpc.aio

from dfd.daemon.logs import log

# RPCs that have ended and are not read, on all connections of a process
MOST = 128
# the coroutine of grpc.aio (`_cython/_cygrpc/aio/server.pyx.pxi`) that runs a handler; the task
# that waits for the end of the RPC creates its task
_HANDLER = "_handle_exceptions"


class UnreadRpcs:
    """Knows the tasks that wait for clients to read.

    Args:
        most: number of them from which a connection is closed.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._peers: dict[asyncio.Task[Any], str] = {}

    def observe(self, loop: asyncio.AbstractEventLoop) -> None:
        """Lets `note_unread` report to this object from now on."""
        loop.set_task_factory(self._make_task)

    def add(self, waiting: asyncio.Task[Any], peer: str) -> None:
        """Counts an RPC until its task ends, and closes a connection if there are too many."""
        self._peers[waiting] = peer
        waiting.add_done_callback(self._peers.pop)
        if len(self._peers) > self._most:
            peer, count = Counter(self._peers.values()).most_common(1)[0]
            if close_connection(peer):
                log(logging.WARNING, "connection closed", peer=peer, calls_not_read=count)

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        /,
        **options: Any,
    ) -> asyncio.Task[Any]:
        if getattr(coroutine, "__name__", None) != _HANDLER:
            return asyncio.Task(coroutine, loop=loop, **options)
        task = _HandlerTask(coroutine, loop=loop, **options)
        task.waiting, task.unread = asyncio.current_task(loop), self
        return task


class _HandlerTask(asyncio.Task[Any]):
    """Runs a handler, and knows the task that waits for the end of its RPC."""

    waiting: asyncio.Task[Any] | None = None
    unread: UnreadRpcs | None = None


def note_unread(context: grpc.aio.ServicerContext[Any, Any]) -> None:
    """Notes that the RPC whose handler is the current task has ended without its client knowing."""
    task = asyncio.current_task()
    if isinstance(task, _HandlerTask) and task.waiting is not None and task.unread is not None:
        task.unread.add(task.waiting, context.peer())


def close_connection(peer: str) -> bool:
    """Closes this process's connection with a peer; returns whether there was one.

    gRPC notices it as it does when the peer closes it.

    Args:
        peer: as gRPC states it, such as `ipv4:192.0.2.1:40000` or `ipv6:%5B::1%5D:40000`.
    """
    for name in os.listdir("/dev/fd"):
        try:
            copy = os.dup(int(name))
        except OSError:  # the folder's own
            continue
        try:
            connection = socket.socket(fileno=copy)
        except OSError:  # no socket
            os.close(copy)
            continue
        with connection, contextlib.suppress(OSError):  # not connected
            if _name(connection.getpeername()) == peer:
                connection.shutdown(socket.SHUT_RDWR)
                return True
    return False


def _name(where: Any) -> str:
    """Returns an address as gRPC states it, IPv4 clients of an IPv6 socket as IPv4.

    What has no address of its own, such as a Unix socket, has no name.
    """
    if not isinstance(where, tuple):
        return ""
    address = ipaddress.ip_address(where[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return f"ipv6:%5B{quote(str(address), safe=':')}%5D:{where[1]}"
    return f"ipv4:{getattr(address, 'ipv4_mapped', None) or address}:{where[1]}"
