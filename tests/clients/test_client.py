import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile

from dfd.clients import events as ev
from dfd.clients.audio import AudioFormat
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError
from dfd.clients.options import Connection, RetryPolicy, StreamOptions
from dfd.clients.sources.recording import open_recording
from dfd.errors import UserError
from tests.clients.scripted import Script, ScriptedServer

QUICK = RetryPolicy(
    connect_seconds=5.0, reconnect_seconds=20.0, first_delay_seconds=0.02, max_delay_seconds=0.1
)
FORMAT = AudioFormat(sample_rate_hz=8000)
SECOND = bytes(16000)
TENTH = bytes(1600)


async def rest(stream: AsyncIterator[ev.Event]) -> list[ev.Event]:
    return [event async for event in stream]


def one(events: list[ev.Event], kind: type[ev.Event]) -> ev.Event:
    (found,) = [event for event in events if isinstance(event, kind)]
    return found


async def test_ten_lines_are_enough() -> None:
    async with (
        ScriptedServer() as server,
        AsyncDetectionClient(server.address) as client,
        client.stream(sample_rate_hz=8000, encoding="mulaw") as stream,
    ):
        assert stream.started.model.name == "scripted"
        assert await stream.send(bytes(24000))
        await stream.finish()
        events = [event async for event in stream]
    assert isinstance(events[0], ev.Started)
    assert [e.end_seconds for e in events if isinstance(e, ev.WindowResult)] == [1, 1.5, 2, 2.5, 3]
    last = events[-1]
    assert isinstance(last, ev.Summary)
    assert last.channels[0].verdict is ev.Verdict.SPOOF
    (connection,) = server.connections
    assert connection.done
    assert connection.config.stream_id == stream.stream_id
    assert not connection.chunks[0].HasField("sample_offset")


async def test_a_pump_sends_and_receives_together() -> None:
    async def source() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield SECOND
            await asyncio.sleep(0.01)

    async with ScriptedServer() as server, AsyncDetectionClient(server.address) as client:
        events = [event async for event in client.stream_events(source(), FORMAT)]
        assert len(events) == 7
        events = [event async for event in client.stream_events([SECOND] * 3, FORMAT)]
        assert len(events) == 7


async def test_a_source_that_fails_ends_the_pump() -> None:

    async def failing() -> AsyncIterator[bytes]:
        yield SECOND
        raise UserError("the source broke")

    async with ScriptedServer() as server, AsyncDetectionClient(server.address) as client:
        with pytest.raises(UserError, match="the source broke"):
            await rest(client.stream_events(failing(), FORMAT))


async def test_chunks_are_limited_to_the_servers_maximum() -> None:
    async with (
        ScriptedServer(Script(max_chunk_bytes=1001)) as server,
        AsyncDetectionClient(server.address) as client,
        client.stream(AudioFormat(sample_rate_hz=8000, channel_count=2)) as stream,
    ):
        await stream.send(SECOND)
        await stream.finish()
        await rest(aiter(stream))
    sizes = [len(chunk.content) for chunk in server.connections[0].chunks]
    assert sum(sizes) == len(SECOND)
    assert max(sizes) == 1000


async def test_audio_lost_upstream_is_a_gap() -> None:
    async with (
        ScriptedServer() as server,
        AsyncDetectionClient(server.address) as client,
        client.stream(FORMAT) as stream,
    ):
        await stream.send(SECOND)
        await stream.send(SECOND, sample_offset=12000)
        with pytest.raises(ValueError, match="before frame 20000"):
            await stream.send(SECOND, sample_offset=12000)
        await stream.finish()
        with pytest.raises(ValueError, match="was finished"):
            await stream.send(SECOND)
        summary = (await rest(aiter(stream)))[-1]
    assert isinstance(summary, ev.Summary)
    assert summary.channels[0].gap_seconds == 0.5
    assert stream.position_seconds == 2.5


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
    again = one(later, ev.Reconnected)
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
    again = one(later, ev.Reconnected)
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
    lost = one(events, ev.ConnectionLost)
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
    assert one(later, ev.Reconnected) == ev.Reconnected(2.0, 0.0, 1)
    assert [event for event in later if isinstance(event, ev.Summary)] == later[-1:]


async def test_a_full_server_is_retried_after_the_requested_delay() -> None:
    script = Script(full_times=2, retry_seconds=0.2)
    async with ScriptedServer(script) as server, AsyncDetectionClient(server.address) as client:
        began = asyncio.get_running_loop().time()
        async with client.stream(FORMAT) as stream:
            assert stream.started.hop_seconds == 0.5
        assert asyncio.get_running_loop().time() - began >= 0.4
        assert server.service.attempts == 3


async def test_retrying_has_a_limit() -> None:
    script = Script(full_times=100, retry_seconds=0.05)
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


async def test_a_server_that_never_answers() -> None:
    retry = RetryPolicy(connect_seconds=0.0, answer_seconds=0.3)
    async with (
        ScriptedServer(Script(mute=True)) as server,
        AsyncDetectionClient(server.address, retry=retry) as client,
    ):
        with pytest.raises(DetectionError, match="did not answer"):
            async with client.stream(FORMAT):
                pass


@pytest.mark.parametrize("live", [True, False])
async def test_a_server_that_takes_no_more_audio(live: bool) -> None:
    retry = RetryPolicy(reconnect_seconds=0.0, stall_seconds=0.3, summary_seconds=0.3)
    async with (
        ScriptedServer(Script(read_delay=60.0)) as server,
        AsyncDetectionClient(server.address, retry=retry) as client,
        client.stream(FORMAT, live=live) as stream,
    ):

        async def talk() -> None:
            while await stream.send(64 * SECOND):  # noqa: ASYNC110 - it sends
                await asyncio.sleep(0.0)

        talking = asyncio.create_task(talk())
        with pytest.raises(DetectionError, match="accepted no audio"):
            async for _ in stream:
                pass
        await talking


async def test_a_wrong_token_is_not_retried() -> None:
    async with ScriptedServer(Script(token="right")) as server:
        async with AsyncDetectionClient(server.address, token="wrong") as client:
            with pytest.raises(DetectionError, match="BAD_TOKEN"):
                async with client.stream(FORMAT):
                    pass
            with pytest.raises(DetectionError, match="check it"):
                await client.server_info()
        async with AsyncDetectionClient(server.address, token="right") as client:
            assert (await client.server_info()).models[0].name == "scripted"
    assert server.service.attempts == 1


async def test_an_internal_error_is_final_and_reported() -> None:
    script = Script(abort_after=1.0, abort_code=grpc.StatusCode.INTERNAL)
    async with ScriptedServer(script) as server, AsyncDetectionClient(server.address) as client:
        with pytest.raises(DetectionError, match="SCRIPTED") as caught:
            await rest(client.stream_events([TENTH] * 100, FORMAT))
    assert caught.value.code == "INTERNAL"
    assert len(server.connections) == 1


async def test_a_slow_server_never_blocks_a_live_source() -> None:
    """The source continues at once; what did not fit is reported and marked as a gap."""
    chunk = bytes(1 << 19)  # so much that flow control takes effect
    script = Script(read_delay=0.3)
    async with ScriptedServer(script) as server, AsyncDetectionClient(server.address) as client:
        async with client.stream(FORMAT, buffer_seconds=100.0) as stream:
            loop = asyncio.get_running_loop()
            for _ in range(40):
                before = loop.time()
                await stream.send(chunk)
                assert loop.time() - before < 0.25
                await asyncio.sleep(0.01)
            assert stream.lost_seconds > 0
            script.read_delay = 0.0
            await stream.finish()
            events = await rest(aiter(stream))
        told = sum(event.lost_seconds for event in events if isinstance(event, ev.AudioLost))
        assert told == pytest.approx(stream.lost_seconds)
        summary = events[-1]
    assert isinstance(summary, ev.Summary)
    assert summary.channels[0].audio_seconds == 40 * len(chunk) / 16000
    assert summary.channels[0].gap_seconds == pytest.approx(told)
    assert len(server.connections) == 1


async def test_a_slow_server_makes_a_file_wait() -> None:
    script = Script(read_delay=0.02)
    async with ScriptedServer(script) as server, AsyncDetectionClient(server.address) as client:
        events = await rest(
            client.stream_events([bytes(64000)] * 30, FORMAT, live=False, buffer_seconds=4.0)
        )
    summary = events[-1]
    assert isinstance(summary, ev.Summary)
    assert summary.channels[0].audio_seconds == 120.0
    assert summary.channels[0].gap_seconds == 0.0
    assert not any(isinstance(event, ev.AudioLost) for event in events)


async def test_an_abandoned_stream_leaves_nothing_behind() -> None:
    async with ScriptedServer() as server, AsyncDetectionClient(server.address) as client:
        before = len(asyncio.all_tasks())
        for _ in range(20):
            async with client.stream(FORMAT) as stream:
                await stream.send(SECOND)
        await asyncio.sleep(0.2)
        assert len(asyncio.all_tasks()) <= before + 2  # the server's own


async def test_a_recording_in_one_call(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(32000, np.int16), 16000)
    recording = open_recording(path)
    async with ScriptedServer() as server, AsyncDetectionClient(server.address) as client:
        detection = await client.detect(recording)
        assert [window.end_seconds for window in detection.windows] == [1.0, 1.5, 2.0]
        assert detection.summary.channels[0].audio_seconds == 2.0
        server.script.max_recording_bytes = 1000
        with pytest.raises(UserError, match="stream it instead"):
            await client.detect(recording)


@pytest.mark.parametrize(
    "server",
    ["", "host", "host:", ":1", "host:x", "host:0", "http://host:1", "::1:5", "host:70000"],
)
async def test_an_address_that_makes_no_sense(server: str) -> None:
    with pytest.raises(UserError, match="is not an address"):
        AsyncDetectionClient(server)


async def test_invalid_options_are_user_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        AsyncDetectionClient(Connection(tls_ca=tmp_path / "none.pem"))
    with pytest.raises(UserError, match="printable"):
        AsyncDetectionClient(token="a\nb")
    async with AsyncDetectionClient() as client:
        with pytest.raises(UserError, match="is not an encoding"):
            client.stream(encoding="opus")
        with pytest.raises(UserError, match="96000"):
            client.stream(sample_rate_hz=96000)


def test_a_token_is_never_shown() -> None:
    assert "secret" not in repr(Connection(token="secret"))
