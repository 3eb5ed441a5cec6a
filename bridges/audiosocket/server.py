"""Listens for Asterisk's AudioSocket and answers with silence, to keep the call alive."""

from __future__ import annotations

import asyncio

from dfd.bridges.audiosocket.call import MULAW_NOTE, AudioSocketCall
from dfd.bridges.audiosocket.messages import HANGUP_FRAME, silent_frame
from dfd.bridges.calls import CallNote, ProtocolError
from dfd.bridges.exchange import Call, Exchange
from dfd.bridges.limits import ByteBudget

_TICK_SECONDS = 0.02
# A peer that does not read gets no more silence until it does.
_MAX_UNREAD_BYTES = 16384
_CLOSE_SECONDS = 2.0
_TRAP = (
    "its audio looks like mu-law under type 0x10, which means signed linear: dial with"
    " AudioSocket/.../c(slin) or c(slin16), or scores are meaningless"
)


class AudioSocketServer:
    """Accepts connections and feeds the exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listens; returns the bound address.

        Raises:
            OSError: if the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self, self._exchange), host, port
        )
        self._due = loop.time()
        self._tick()
        name: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return name

    async def stop(self) -> None:
        """Accepts no more connections and closes the open ones."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.close("the bridge is closing")
        if self._server is not None:
            await self._server.wait_closed()

    def _tick(self) -> None:
        """Sends 20 ms of silence on every connection, on a clock that does not drift."""
        loop = asyncio.get_running_loop()
        for connection in self._connections:
            connection.send_silence()
        self._due = max(self._due + _TICK_SECONDS, loop.time() - 0.2)
        self._timer = loop.call_at(self._due, self._tick)


class _Connection(asyncio.Protocol):
    """One call."""

    def __init__(self, server: AudioSocketServer, exchange: Exchange) -> None:
        self._server = server
        self._exchange = exchange
        self._reader = AudioSocketCall()
        self._call: Call | None = None
        self._transport: asyncio.Transport | None = None
        self._silence = b""
        self._silent_kind: int | None = None
        self._heard = False
        self._watch: asyncio.TimerHandle | None = None
        self._budget = ByteBudget(exchange.options.max_bytes_per_second)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername") or ("somebody", 0)
        self._call = self._exchange.enter("audiosocket", f"{peer[0]}:{peer[1]}")
        if self._call is None:
            transport.write(HANGUP_FRAME)  # the dialplan continues
            transport.close()
            return
        self._server._connections.add(self)
        self._watch = asyncio.get_running_loop().call_later(
            self._exchange.options.handshake_seconds, self._check
        )

    def data_received(self, data: bytes) -> None:
        call = self._call
        if call is None:
            return
        self._heard = True
        try:
            if not self._budget.take(len(data)):
                raise ProtocolError("it sends more bytes than max_bytes_per_second")
            events = self._reader.feed(data)
        except ProtocolError as error:
            call.refuse("protocol", str(error))
            self._abort()
            return
        call.handle(events)
        if any(isinstance(one, CallNote) and one.kind == MULAW_NOTE for one in events):
            call.warn("MULAW_AS_SLIN", _TRAP)
        if self._reader.kind != self._silent_kind:
            assert self._reader.kind is not None
            self._silent_kind = self._reader.kind
            self._silence = silent_frame(self._reader.kind)
        if call.ended is not None:
            self.close(call.ended)

    def connection_lost(self, error: Exception | None) -> None:
        self._server._connections.discard(self)
        if self._watch is not None:
            self._watch.cancel()
        if self._call is not None:
            pending = self._reader.reader.pending
            if pending:
                self._call.warn("HALF_FRAME", f"the connection ended {pending} bytes into a frame")
            self._call.end("connection closed" if error is None else "connection broken")

    def send_silence(self) -> None:
        """Keeps the call alive: Asterisk ends it after two seconds without audio."""
        transport = self._transport
        if (
            self._silence
            and transport is not None
            and not transport.is_closing()
            and transport.get_write_buffer_size() < _MAX_UNREAD_BYTES
        ):
            transport.write(self._silence)

    def close(self, reason: str) -> None:
        """Ends the call in its own protocol."""
        if self._call is not None:
            self._call.end(reason)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(HANGUP_FRAME)
            self._transport.close()
            # do not wait for a peer that does not read
            asyncio.get_running_loop().call_later(_CLOSE_SECONDS, self._transport.abort)

    def _check(self) -> None:
        """Closes a connection that did not name its call, or that fell silent."""
        assert self._call is not None
        options = self._exchange.options
        if self._reader.reader.call_uuid is None:
            self._call.refuse("handshake", f"no UUID within {options.handshake_seconds:g} s")
            self._abort()
        elif not self._heard:
            self._call.refuse("idle", f"nothing arrived for {options.idle_seconds:g} s")
            self._abort()
        else:
            self._heard = False
            self._watch = asyncio.get_running_loop().call_later(options.idle_seconds, self._check)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
