"""Pairs of UDP ports for RTP and RTCP, allocated from a range."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

_RECEIVE_BUFFER_BYTES = 1 << 19
_MAX_DATAGRAM_BYTES = 9000

Got = Callable[[bytes, str, int, bool], None]


class PortPair:
    """An even port for RTP and the next one for RTCP.

    Args:
        rtp, rtcp: bound sockets.
        got: called with each datagram, its sender's host and port, and whether it came to the
            RTCP port.
    """

    def __init__(self, rtp: socket.socket, rtcp: socket.socket, got: Got) -> None:
        self.number = int(rtp.getsockname()[1])
        self._sockets = (rtp, rtcp)
        self._got = got
        self._loop = asyncio.get_running_loop()
        for control, one in enumerate(self._sockets):
            self._loop.add_reader(one.fileno(), self._read, one, bool(control))

    def close(self) -> None:
        """Releases the ports."""
        for one in self._sockets:
            if one.fileno() >= 0:
                self._loop.remove_reader(one.fileno())
                one.close()

    def _read(self, one: socket.socket, control: bool) -> None:
        """Reads one datagram; if more are waiting, the loop calls again at once."""
        try:
            data, address = one.recvfrom(_MAX_DATAGRAM_BYTES)
        except OSError:  # nothing there after all
            return
        self._got(data, str(address[0]), int(address[1]), control)


class PortRange:
    """The range that media ports are allocated from.

    Args:
        host: address to bind to.
        first, last: the range; 0 and 0 leave it to the system.
    """

    def __init__(self, host: str, first: int, last: int) -> None:
        self._host = host
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._numbers = [*range(first + first % 2, last, 2)]
        self._next = 0

    def take(self, got: Got) -> PortPair | None:
        """Binds a pair; returns None if none is free."""
        for _ in range(len(self._numbers) or 64):
            number = 0
            if self._numbers:
                number = self._numbers[self._next % len(self._numbers)]
                self._next += 1
            bound = self._bind(number)
            if bound is not None:
                return PortPair(*bound, got)
        return None

    def _bind(self, number: int) -> tuple[socket.socket, socket.socket] | None:
        with contextlib.ExitStack() as stack:
            try:
                rtp = stack.enter_context(self._socket(number))
                even = int(rtp.getsockname()[1])
                if even % 2:
                    return None
                rtcp = stack.enter_context(self._socket(even + 1))
            except OSError:
                return None
            stack.pop_all()
            return rtp, rtcp

    def _socket(self, number: int) -> socket.socket:
        one = socket.socket(self._family, socket.SOCK_DGRAM)
        try:
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            one.bind((self._host, number))
        except OSError:
            one.close()
            raise
        return one
