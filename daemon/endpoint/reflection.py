"""Server reflection, under its stable name as well as the older one that grpcio knows."""

import asyncio
from typing import Any

import grpc
import grpc.aio
from grpc_reflection.v1alpha import reflection, reflection_pb2

# v1 has the messages of v1alpha under another name
_CALLS, _SECONDS = 16, 30.0
_NAMES = (reflection.SERVICE_NAME, "grpc.reflection.v1.ServerReflection")


class _Bounded:
    """Serves few at a time, and not for long: nobody has to show a token here."""

    def __init__(self, answers: Any) -> None:
        self._answers = answers
        self._calls = 0

    async def serve(self, requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """One RPC."""
        if self._calls >= _CALLS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many ask at once")
        self._calls += 1
        try:
            async with asyncio.timeout(_SECONDS):
                async for answer in self._answers(requests, context):
                    await context.write(answer)
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "ask again: this took long")
        finally:
            self._calls -= 1


def add_reflection(server: grpc.aio.Server, services: tuple[str, ...]) -> None:
    """Lets tools such as grpcurl ask for the contract."""
    # what is listed can be asked for; of the newer name grpcio has no description
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
