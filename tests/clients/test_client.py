import asyncio
import gc
import random
import sys
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
from dfd.clients.options import Connection, RetryPolicy
from dfd.clients.sources.recording import open_recording
from dfd.errors import UserError
from tests.clients.quick import FORMAT, SECOND, TENTH, rest
from tests.clients.scripted import ScriptedServer
from tests.clients.scripted_scores import Script
from tests.waiting import turns, until


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
            await turns()

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
            while await stream.send(64 * SECOND):
                await turns()

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


async def test_the_audio_of_a_failed_stream_is_freed_at_once() -> None:
    """Without the garbage collector, although the error's frames still refer to the stream."""
    script = Script(abort_after=1.0, abort_code=grpc.StatusCode.INTERNAL)
    chunk = random.Random(1).randbytes(len(TENTH))
    before = sys.getrefcount(chunk)
    gc.disable()
    try:
        async with ScriptedServer(script) as server, AsyncDetectionClient(server.address) as client:
            with pytest.raises(DetectionError, match="SCRIPTED"):
                await rest(client.stream_events((chunk for _ in range(100)), FORMAT))
        # but for the piece that was being sent
        assert sys.getrefcount(chunk) <= before + 1
    finally:
        gc.enable()


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
                await asyncio.sleep(0.01)  # the connection works meanwhile
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
        await until(lambda: len(asyncio.all_tasks()) <= before + 2)  # the server's own


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
