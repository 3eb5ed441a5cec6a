import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import pytest

from dfd.daemon.options import ServeOptions
from dfd.daemon.server import Server
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.daemon.harness import (
    Client,
    Connect,
    FakeDetector,
    Harness,
    InLoop,
    Serve,
    make_spec,
)
from tests.daemon.multiprocess.process import SupervisorProcess


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers that end with the test in any case."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(
            detector: FakeDetector | None = None,
            warm: bool = True,
            beside: dict[str, FakeDetector] | None = None,
            **options: Any,
        ) -> Harness:
            loaded = detector or FakeDetector(make_spec())
            others = beside or {}
            defaults: dict[str, Any] = {
                "port": 0,
                "metrics_port": -1,
                "max_queue_delay_seconds": 0.005,
                "admission": "fixed",
            }
            if others:
                defaults["model"] = ("fake", *others)
            server = Server(
                ServeOptions(**(defaults | options)),
                lambda wanted: others.get(wanted.models[0], loaded),
            )
            stack.push_async_callback(server.stop)
            for one in (loaded, *others.values()):
                stack.callback(one.gate.set)
            await server.bind()
            if warm:
                await server.warm()
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
            stack.push_async_callback(channel.close)
            stub = DetectionServiceStub(channel)
            return Harness(InLoop(server), channel, stub, server, loaded)

        yield start


@pytest.fixture(scope="session")
def four_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupervisorProcess]:
    """A daemon of four workers and one instance that several tests share."""
    supervised = SupervisorProcess(tmp_path_factory.mktemp("supervised"))
    assert supervised.ready, "".join(supervised.log)
    yield supervised
    assert supervised.end() == 0


@dataclass
class _Since:
    """Counts only from now on."""

    supervised: SupervisorProcess
    before: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return self.supervised.port

    def figure(self, name: str, **labels: str) -> float:
        value = self.supervised.figures().get((name, str(sorted(labels.items()))), 0.0)
        if not name.endswith(("_total", "_count", "_sum")):
            return value
        return value - self.before.get((name, str(sorted(labels.items()))), 0.0)


@pytest.fixture(params=["one process", "four workers"])
async def connect(request: pytest.FixtureRequest, serve: Serve) -> AsyncIterator[Connect]:
    """Connects to a daemon with default options, of one process or of several."""
    async with contextlib.AsyncExitStack() as stack:

        async def one() -> Client:
            return await serve()

        async def four() -> Client:
            supervised: SupervisorProcess = request.getfixturevalue("four_workers")
            channel = grpc.aio.insecure_channel(
                f"127.0.0.1:{supervised.port}", [("grpc.use_local_subchannel_pool", 1)]
            )
            stack.push_async_callback(channel.close)
            return Client(
                _Since(supervised, supervised.figures()), channel, DetectionServiceStub(channel)
            )

        yield one if request.param == "one process" else four
