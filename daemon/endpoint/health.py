"""The standard health service, `grpc.health.v1`.

The servicer in grpcio-health-checking forgets all watchers of a service when one of them leaves,
so this is our own servicer, using its messages. No token is needed here, so the resources that
callers can take up are bounded.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from dfd.daemon.endpoint.address import host_of
from dfd.daemon.errors import abort_with

SERVICE = "grpc.health.v1.Health"
_Response = health_pb2.HealthCheckResponse
_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
_WATCHERS = 256
# calls read and answered at once, in all and from one address, and how long either may take
_READING, _READING_BY_PEER, _SECONDS = 16, 4, 5.0


class HealthServicer:
    """Reports whether streams are accepted, for the whole server and for each service by name."""

    def __init__(self, services: tuple[str, ...]) -> None:
        self._services = frozenset(("", *services))
        self._serving = False
        self._changed = asyncio.Event()
        self._watchers = 0
        self._reading: Counter[str] = Counter()

    def set_serving(self, serving: bool) -> None:
        """Notifies all watchers."""
        self._serving = serving
        self._changed.set()
        self._changed = asyncio.Event()

    async def check(self, _: Any, context: _Context) -> None:
        """Answers once."""
        async with self._place(context):
            known = await self._read(context)
            if not known:
                await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service here")
            await self._write(context, self._status(known))

    async def watch(self, _: Any, context: _Context) -> None:
        """Answers now and whenever the status changes."""
        if self._watchers >= _WATCHERS:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{_WATCHERS} callers are watching already; use Check, or read /readyz",
            )
        self._watchers += 1
        try:
            async with self._place(context):
                known = await self._read(context)
            await self._watch(known, context)
        finally:
            self._watchers -= 1

    async def _watch(self, known: bool, context: _Context) -> None:
        last = None
        while True:
            changed = self._changed
            status = self._status(known)
            if status != last:
                await self._write(context, status)
                last = status
            # as long as the watcher's connection is alive; there are few places for watchers
            await changed.wait()

    @contextlib.asynccontextmanager
    async def _place(self, context: _Context) -> AsyncIterator[None]:
        """Holds one of the places for calls that are read or answered."""
        host = host_of(context.peer())
        full = self._reading.total() >= _READING or self._reading[host] >= _READING_BY_PEER
        if full:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "too many health requests at once; try again"
            )
        self._reading[host] += 1
        try:
            yield
        finally:
            self._reading[host] -= 1
            if not self._reading[host]:
                del self._reading[host]

    async def _read(self, context: _Context) -> bool:
        """Returns whether the service asked about is known; the request must arrive promptly.

        The request itself is not passed on: it may be as large as the port's limit allows, and
        grpc keeps the frames of an aborted RPC until the next full collection.
        """
        try:
            async with asyncio.timeout(_SECONDS):
                request = await context.read()
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "no request arrived; send one")
        if request is grpc.aio.EOF:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call contains no request")
        return request.service in self._services

    async def _write(self, context: _Context, status: int) -> None:
        """Writes a status, which the caller must read promptly."""
        try:
            async with asyncio.timeout(_SECONDS):
                await context.write(_Response(status=status))
        except TimeoutError:
            await abort_with(
                context, grpc.StatusCode.DEADLINE_EXCEEDED, "the status was not read; read it"
            )

    def _status(self, known: bool) -> int:
        if not known:
            return int(_Response.SERVICE_UNKNOWN)
        return int(_Response.SERVING if self._serving else _Response.NOT_SERVING)


def add_health(server: grpc.aio.Server, servicer: HealthServicer) -> None:
    """Adds the health service to a server."""
    ways: dict[str, Any] = {
        "request_deserializer": health_pb2.HealthCheckRequest.FromString,
        "response_serializer": _Response.SerializeToString,
    }
    methods = {
        # registered as streams, which are the same on the wire, so that both sides are ours
        "Check": grpc.stream_stream_rpc_method_handler(servicer.check, **ways),
        "Watch": grpc.stream_stream_rpc_method_handler(servicer.watch, **ways),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, methods)])
