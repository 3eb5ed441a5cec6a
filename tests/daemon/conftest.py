import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest

from dfd.daemon.options import ServeOptions
from dfd.daemon.server import Server
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.daemon.harness import FakeDetector, Harness, Serve, make_spec


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers that end with the test, whatever it did."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(
            detector: FakeDetector | None = None, warm: bool = True, **options: Any
        ) -> Harness:
            loaded = detector or FakeDetector(make_spec())
            defaults = {"port": 0, "metrics_port": -1, "max_queue_delay_seconds": 0.005}
            server = Server(ServeOptions(**(defaults | options)), lambda _: loaded)
            stack.push_async_callback(server.stop)
            stack.callback(loaded.gate.set)
            await server.bind()
            if warm:
                await server.warm()
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
            stack.push_async_callback(channel.close)
            return Harness(server, loaded, channel, DetectionServiceStub(channel))

        yield start
