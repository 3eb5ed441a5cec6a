"""Server reflection, under its stable name and the older one that grpcio provides."""

import asyncio
from collections import Counter
from typing import Any

import grpc
import grpc.aio
from grpc_reflection.v1alpha import reflection, reflection_pb2

from dfd.daemon.endpoint.address import host_of
from dfd.daemon.errors import abort_with

# concurrent calls, in all and from one address, and the longest duration of one
_CALLS, _CALLS_BY_PEER, _SECONDS = 16, 4, 30.0
# v1 uses the messages of v1alpha under another name
_NAMES = (reflection.SERVICE_NAME, "grpc.reflection.v1.ServerReflection")


class _Bounded:
    """Bounds the number and duration of calls, since no token is needed here."""

    def __init__(self, answers: Any) -> None:
        self._answers = answers
        self._calls: Counter[str] = Counter()

    async def serve(self, requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Serves one RPC."""
        host = host_of(context.peer())
        if self._calls.total() >= _CALLS or self._calls[host] >= _CALLS_BY_PEER:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls at once; try again"
            )
        self._calls[host] += 1
        try:
            if not await self._in_time(requests, context):
                await abort_with(
                    context, grpc.StatusCode.DEADLINE_EXCEEDED, "the call took too long; try again"
                )
        finally:
            self._calls[host] -= 1
            if not self._calls[host]:
                del self._calls[host]

    async def _in_time(self, requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> bool:
        """Answers all requests; returns False if that took too long.

        The call is not aborted here: grpc keeps the frames of an aborted RPC until the next full
        collection, and this one has the latest answer, which repeats the request.
        """
        try:
            async with asyncio.timeout(_SECONDS):
                async for answer in self._answers(requests, context):
                    await context.write(answer)
        except TimeoutError:
            return False
        return True


def add_reflection(server: grpc.aio.Server, services: tuple[str, ...]) -> None:
    """Adds reflection, so that tools such as grpcurl can read the contract."""
    # only services that can be described are listed; grpcio has no description of the newer name
    servicer = reflection.aio.ReflectionServicer((*services, reflection.SERVICE_NAME))
    handler = grpc.stream_stream_rpc_method_handler(
        _Bounded(servicer.ServerReflectionInfo).serve,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})
            for name in _NAMES
        ]
    )
