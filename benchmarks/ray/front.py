"""The contract's live streams behind Ray Serve's gRPC proxy: a trial, for `cost.py` to measure.

The sessions are those of `dfd serve`, in a replica of Serve; only the transport differs.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc

from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.load import load_local
from dfd.daemon.server import Server
from dfd.daemon.service import SERVICE, DetectionService

_END = None


def register(servicer: object, server: Any) -> None:
    """Registers the method with Serve's proxy, which passes the bytes on as they are."""
    handler: Any = grpc.stream_stream_rpc_method_handler(getattr(servicer, "StreamingDetect"))  # noqa: B009
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"StreamingDetect": handler}),)
    )


class AbortedError(Exception):
    """The call has ended with a status other than OK."""


class Raw:
    """A response that is serialised already, as Serve wants to serialise it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def SerializeToString(self) -> bytes:  # noqa: N802
        """Returns the bytes."""
        return self._content


class Call:
    """One call as the daemon's service sees it: its requests, responses and status.

    Args:
        requests: Serve's stream of requests.
        context: Serve's copy of the call's context.
    """

    def __init__(self, requests: AsyncIterator[bytes], context: Any) -> None:
        self._requests = requests
        self._context = context
        self._responses: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._aborted = False

    async def read(self) -> object:
        """Returns the next request, or gRPC's mark of their end."""
        if self._aborted:
            raise AbortedError
        return await anext(self._requests, grpc.aio.EOF)

    async def write(self, message: bytes) -> None:
        """Hands a response on, when the one before has been taken."""
        await self._responses.put(message)

    def invocation_metadata(self) -> Any:
        """Returns what the client sent with the call."""
        return self._context.invocation_metadata()

    def peer(self) -> Any:
        """Returns the client's address, as the proxy saw it."""
        return self._context.peer()

    async def abort(
        self, code: grpc.StatusCode, details: str, trailing_metadata: tuple[tuple[str, bytes], ...]
    ) -> None:
        """Sets the status that the call ends with."""
        self._context.set_code(code)
        self._context.set_details(details)
        self._context.set_trailing_metadata(list(trailing_metadata))
        self._aborted = True

    async def responses(self) -> AsyncIterator[Raw]:
        """Yields the responses until the call has ended."""
        while (message := await self._responses.get()) is not _END:
            yield Raw(message)

    async def end(self) -> None:
        """Marks the end of the responses."""
        await self._responses.put(_END)


class Front:
    """One replica: a daemon whose streams come from Serve's proxy.

    Args:
        options: of `dfd serve`.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        # it also listens on a port of its own, which nobody calls
        given: dict[str, Any] = {"port": 0, "metrics_port": -1, "admission": "fixed"}
        self._server = Server(ServeOptions(**(given | dict(options))), load_local)
        self._service = DetectionService(self._server.runtime)
        self._warm = asyncio.ensure_future(self._start())

    async def _start(self) -> None:
        await self._server.bind()
        await self._server.warm()

    async def check_health(self) -> None:
        """Is asked by Serve; fails if the model could not be loaded."""
        if self._warm.done():
            self._warm.result()

    async def ready(self) -> bool:
        """Waits until streams are accepted."""
        await self._warm
        return True

    async def StreamingDetect(  # noqa: N802
        self, request_stream: AsyncIterator[bytes], grpc_context: Any
    ) -> AsyncIterator[Raw]:
        """Serves one live stream."""
        call = Call(request_stream, grpc_context)

        async def serve() -> None:
            try:
                service: Any = self._service
                await service.streaming_detect(None, call)
            finally:
                await call.end()

        serving = asyncio.create_task(serve())
        try:
            async for response in call.responses():
                yield response
            await serving
        finally:
            serving.cancel()
