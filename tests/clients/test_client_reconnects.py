"""A stream outlives its connection, its server and a server that is full or gone."""

import asyncio

import pytest

from dfd.clients import events as ev
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError
from dfd.clients.options import RetryPolicy, StreamOptions
from tests.clients.quick import FORMAT, QUICK, SECOND, TENTH, only, rest
from tests.clients.scripted import ScriptedServer
from tests.clients.scripted_scores import Script


async def test_nothing_is_lost_when_a_server_restarts() -> None:
    """Audio that was sent but not judged is sent again, and the time line continues."""
    async with (
        ScriptedServer() as server,
        AsyncDetectionClient(server.address, retry=QUICK) as c,
        c.stream(FORMAT, options=StreamOptions(stream_id="call-7")) as stream,
    ):
        events = aiter(stream)
        for _ in range(32):
            await stream.send(TENTH)
        while True:
            event = await anext(events)
            if isinstance(event, ev.WindowResult) and event.end_seconds == 3.0:
                break
        await server.kill()
        for _ in range(8):
            await stream.send(TENTH)
        assert isinstance(await anext(events), ev.ConnectionLost)
        await server.start()
        await stream.finish()
        later = await rest(events)
    again = only(later, ev.Reconnected)
    assert isinstance(again, ev.Reconnected)
    assert again.lost_seconds == 0
    assert again.offset_seconds == 3.0
    first, second = server.connections
    assert first.config.stream_id == second.config.stream_id == "call-7"
    assert second.first_offset == 24000
    summary = later[-1]
    assert isinstance(summary, ev.Summary)
    assert summary.channels[0].audio_seconds == 4.0
    assert summary.channels[0].gap_seconds == 3.0


async def test_audio_beyond_the_buffer_becomes_a_gap_of_its_length() -> None:
    async with (
        ScriptedServer() as server,
        AsyncDetectionClient(server.address, retry=QUICK) as client,
        client.stream(FORMAT, buffer_seconds=2.0) as stream,
    ):
        events = aiter(stream)
        await stream.send(SECOND)
        while not isinstance(await anext(events), ev.WindowResult):
            pass
        await server.kill()
        assert isinstance(await anext(events), ev.ConnectionLost)
        for _ in range(50):  # five seconds, of which two fit into the buffer
            await stream.send(TENTH)
        assert stream.lost_seconds == 3.0
        await server.start()
        await stream.finish()
        later = await rest(events)
    again = only(later, ev.Reconnected)
    assert isinstance(again, ev.Reconnected)
    assert (again.lost_seconds, again.offset_seconds) == (3.0, 4.0)
    assert server.connections[1].first_offset == 32000
    heard = sum(len(chunk.content) for chunk in server.connections[1].chunks)
    assert heard == 2 * len(SECOND)


async def test_a_broken_call_continues() -> None:
    script = Script(abort_after=2.0)
    async with ScriptedServer(script) as server, AsyncDetectionClient(server.address) as client:
        events = [event async for event in client.stream_events([TENTH] * 40, FORMAT)]
    assert len(server.connections) == 2
    lost = only(events, ev.ConnectionLost)
    assert isinstance(lost, ev.ConnectionLost)
    assert (lost.code, lost.reason, lost.message) == (
        "UNAVAILABLE",
        "SCRIPTED",
        "as the script says",
    )
    assert isinstance(events[-1], ev.Summary)
    assert events[-1].channels[0].audio_seconds == 4.0


async def test_the_stream_moves_from_a_draining_server_to_the_next() -> None:
    script = Script(drain_after=2.0)
    async with (
        ScriptedServer(script) as server,
        AsyncDetectionClient(server.address) as client,
        client.stream(FORMAT) as stream,
    ):
        await stream.send(SECOND * 2)
        events = aiter(stream)
        while not isinstance(event := await anext(events), ev.ConnectionLost):
            pass
        assert event.reason == "SERVER_DRAINING"
        assert event.summary is not None
        await stream.send(SECOND * 2)
        await stream.finish()
        later = await rest(events)
    assert only(later, ev.Reconnected) == ev.Reconnected(2.0, 0.0, 1)
    assert [event for event in later if isinstance(event, ev.Summary)] == later[-1:]


async def test_a_full_server_is_retried_after_the_requested_delay() -> None:
    script = Script(refusals_when_full=2, retry_seconds=0.2)
    async with ScriptedServer(script) as server, AsyncDetectionClient(server.address) as client:
        began = asyncio.get_running_loop().time()
        async with client.stream(FORMAT) as stream:
            assert stream.started.hop_seconds == 0.5
        assert asyncio.get_running_loop().time() - began >= 0.4
        assert server.service.attempts == 3


async def test_retrying_has_a_limit() -> None:
    script = Script(refusals_when_full=100, retry_seconds=0.05)
    retry = RetryPolicy(connect_seconds=0.3, first_delay_seconds=0.02)
    async with (
        ScriptedServer(script) as server,
        AsyncDetectionClient(server.address, retry=retry) as c,
    ):
        with pytest.raises(DetectionError) as caught:
            async with c.stream(FORMAT):
                pass
    assert caught.value.code == "RESOURCE_EXHAUSTED"
    assert caught.value.reason == "SERVER_FULL"
    assert caught.value.retry_after_seconds == pytest.approx(0.05)


async def test_a_permanently_lost_server_ends_the_stream_with_a_reason() -> None:
    retry = RetryPolicy(reconnect_seconds=0.5, first_delay_seconds=0.05, max_delay_seconds=0.2)
    async with (
        ScriptedServer() as server,
        AsyncDetectionClient(server.address, retry=retry) as c,
        c.stream(FORMAT) as stream,
    ):
        await stream.send(SECOND)
        events = aiter(stream)
        await anext(events)
        await server.kill()
        with pytest.raises(DetectionError) as caught:
            await rest(events)
        assert caught.value.code == "UNAVAILABLE"
        assert stream.over
        assert not await stream.send(SECOND)


async def test_no_server() -> None:
    client = AsyncDetectionClient("127.0.0.1:1", retry=RetryPolicy(connect_seconds=0.0))
    async with client:
        with pytest.raises(DetectionError, match="UNAVAILABLE"):
            async with client.stream(FORMAT):
                pass
        with pytest.raises(DetectionError, match="UNAVAILABLE"):
            await client.server_info()
