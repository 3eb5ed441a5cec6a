"""The standard health service, `grpc.health.v1`.

The servicer that grpcio-health-checking brings forgets all watchers of a service when one
of them leaves, so this is one of our own on its messages.
"""

import asyncio
from typing import Any, TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

SERVICE = "grpc.health.v1.Health"
_Response = health_pb2.HealthCheckResponse
_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class HealthServicer:
    """Says whether streams are taken, for the whole server and for each service by name."""

    def __init__(self, services: tuple[str, ...]) -> None:
        self._services = frozenset(("", *services))
        self._serving = False
        self._changed = asyncio.Event()

    def set_serving(self, serving: bool) -> None:
        """Tells everyone who watches."""
        self._serving = serving
        self._changed.set()
        self._changed = asyncio.Event()

    async def check(self, request: Any, context: _Context) -> Any:
        """Answers once."""
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service here")
        return _Response(status=self._status(request.service))

    async def watch(self, request: Any, context: _Context) -> None:
        """Answers now and at every change."""
        last = None
        while True:
            changed = self._changed
            status = self._status(request.service)
            if status != last:
                await context.write(_Response(status=status))
                last = status
            await changed.wait()

    def _status(self, service: str) -> int:
        if service not in self._services:
            return int(_Response.SERVICE_UNKNOWN)
        return int(_Response.SERVING if self._serving else _Response.NOT_SERVING)


def add_health(server: grpc.aio.Server, servicer: HealthServicer) -> None:
    """Answers health checks on the server."""
    ways: dict[str, Any] = {
        "request_deserializer": health_pb2.HealthCheckRequest.FromString,
        "response_serializer": _Response.SerializeToString,
    }
    methods = {
        "Check": grpc.unary_unary_rpc_method_handler(servicer.check, **ways),
        "Watch": grpc.unary_stream_rpc_method_handler(servicer.watch, **ways),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, methods)])
