import multiprocessing
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe

import pytest

from dfd.clients import events as ev
from dfd.clients.blocking import DetectionClient
from dfd.clients.errors import DetectionError
from dfd.clients.options import RetryPolicy
from dfd.errors import UserError

SECOND = bytes(16000)


def serve(pipe: Pipe, token: str) -> None:
    import asyncio

    from tests.clients.scripted import ScriptedServer
    from tests.clients.scripted_scores import Script

    async def main() -> None:
        async with ScriptedServer(Script(token=token)) as server:
            pipe.send(server.address)
            await asyncio.to_thread(pipe.recv)

    asyncio.run(main())


@pytest.fixture
def address() -> Iterator[str]:
    """Starts a scripted server in a process of its own."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there, "right"))
    process.start()
    assert here.poll(60)
    yield here.recv()
    here.send("stop")
    process.join(30)


def test_ten_lines_are_enough(address: str) -> None:
    with DetectionClient(address, token="right") as client:
        with client.stream(sample_rate_hz=8000) as stream:
            stream.send_all([SECOND] * 3)
            events = list(stream)
        assert isinstance(events[0], ev.Started)
        assert sum(isinstance(event, ev.WindowResult) for event in events) == 5
        assert isinstance(events[-1], ev.Summary)
        assert client.server_info().models[0].name == "scripted"

        # one thread sends while another iterates
        with client.stream(sample_rate_hz=8000, live=False) as stream:
            sender = threading.Thread(target=stream.send_all, args=([SECOND] * 20,))
            sender.start()
            assert sum(isinstance(event, ev.WindowResult) for event in stream) == 39
            sender.join()
            assert stream.lost_seconds == 0
            assert stream.started.hop_seconds == 0.5

        # left early
        with client.stream(sample_rate_hz=8000) as stream:
            stream.send(SECOND)
        assert not stream.send(SECOND)


def test_errors_are_the_same(address: str) -> None:
    with DetectionClient(address, token="wrong") as client:
        with pytest.raises(DetectionError, match="BAD_TOKEN"), client.stream():
            pass
        with pytest.raises(UserError, match="is not an encoding"):
            client.stream(encoding="opus")
    with (
        DetectionClient("127.0.0.1:1", retry=RetryPolicy(connect_seconds=0.0)) as client,
        pytest.raises(DetectionError, match="UNAVAILABLE"),
        client.stream(),
    ):
        pass
    with pytest.raises(UserError, match="is not an address"):
        DetectionClient("nowhere")
