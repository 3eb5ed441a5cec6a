"""The typed watcher against a real server in this loop."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError
from dfd.clients.options import StreamOptions, VadOptions
from dfd.clients.runs.watch import follow
from dfd.clients.watching import Several, StreamList, StreamsUpdate
from tests.daemon.conftest import serve
from tests.daemon.harness import RATE, Serve, noise

__all__ = ["serve"]

OPTIONS = StreamOptions(
    stream_id="call-7", labels={"queue": "sales"}, vad=VadOptions(min_speech_seconds=0.0)
)


async def test_a_list_of_streams_follows_the_server(serve: Serve) -> None:
    h = await serve()
    seen, audio = StreamList(keep_ended=1), noise(80.0, level=0.3)
    async with AsyncDetectionClient(f"127.0.0.1:{h.server.port}") as client:
        updates = client.watch(0.1)
        first = await anext(updates)
        assert first == StreamsUpdate(True, ())
        async with client.stream(sample_rate_hz=RATE, options=OPTIONS, live=False) as stream:
            await stream.send(audio[: 4 * RATE].tobytes())
            while not seen.streams or next(iter(seen.streams.values())).rolling is None:
                seen.take(await anext(updates))
            (running,) = seen.streams.values()
            assert (running.stream_id, running.labels) == ("call-7", {"queue": "sales"})
            assert datetime.now(UTC) - running.started_at < timedelta(minutes=1)
            assert running.audio_format == stream.audio_format
            for at in range(4, 80, 4):
                await stream.send(audio[at * RATE : (at + 4) * RATE].tobytes())
            await stream.finish()
            async for _ in stream:
                pass
        while not seen.ended:
            seen.take(await anext(updates))
        await updates.aclose()
    assert not seen.streams
    (over,) = seen.ended.values()
    assert over.end_reason == "CLIENT_DONE"
    assert over.alerted
    assert over.audio_seconds == pytest.approx(80.0)
    # nothing is reported twice, and the windows are in order
    ends = [point.end_seconds for point in over.channels[0].recent]
    assert ends == sorted(set(ends))
    assert ends[-1] == pytest.approx(80.0)


async def test_watching_continues_when_the_server_is_back(serve: Serve) -> None:
    h = await serve()
    updates: asyncio.Queue[StreamsUpdate] = asyncio.Queue()
    lost: asyncio.Queue[DetectionError] = asyncio.Queue()
    async with AsyncDetectionClient(f"127.0.0.1:{h.server.port}") as client:
        following = asyncio.create_task(follow(client, updates.put_nowait, lost.put_nowait))
        async with asyncio.timeout(30):
            assert (await updates.get()).snapshot
            await h.server.stop()
            assert (await lost.get()).code == "UNAVAILABLE"
            await serve(port=h.server.port)
            assert (await updates.get()).snapshot
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following


async def test_a_missing_server_is_reported_at_once() -> None:
    async with AsyncDetectionClient("127.0.0.1:1") as client:
        with pytest.raises(DetectionError, match="UNAVAILABLE"):
            await follow(client, lambda update: None)


@pytest.mark.parametrize(
    ("text", "found"),
    [("", True), ("CALL sales", True), ("queue=sal", True), ("call ship", False), ("ipv4", True)],
)
async def test_filtering(serve: Serve, text: str, found: bool) -> None:
    h = await serve()
    async with AsyncDetectionClient(f"127.0.0.1:{h.server.port}") as client:
        updates = client.watch(0.1)
        await anext(updates)
        async with client.stream(options=OPTIONS):
            (stream,) = (await anext(updates)).streams
        await updates.aclose()
    assert stream.matches(text) is found


async def test_a_restarted_daemon_removes_only_its_own_streams(serve: Serve) -> None:
    h, everything, several = await serve(), StreamList(keep_ended=5), Several()
    async with (
        AsyncDetectionClient(f"127.0.0.1:{h.server.port}") as client,
        client.stream(options=StreamOptions(stream_id="a")),
    ):
        updates = client.watch(0.1)
        snapshot = await anext(updates)
        await updates.aclose()
    (stream,) = snapshot.streams
    other = replace(stream, key="other", stream_id="b")
    everything.take(several.take("one", snapshot))
    everything.take(several.take("two", StreamsUpdate(True, (other,))))
    assert {one.stream_id for one in everything.streams.values()} == {"a", "b"}
    everything.take(several.take("one", StreamsUpdate(True, ())))
    assert [one.stream_id for one in everything.streams.values()] == ["b"]
    assert [one.end_reason for one in everything.ended.values()] == ["LOST"]
    everything.take(several.take("two", StreamsUpdate(False, (replace(other, end_reason="X"),))))
    assert not everything.streams
