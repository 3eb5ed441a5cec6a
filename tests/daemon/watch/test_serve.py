import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration

from dfd.daemon.watch.roster import MAX_WATCHERS
from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import RATE, Client, Connect, Serve, chunks, config_request, noise, unpack

FAST = pb.WatchStreamsRequest(min_interval=Duration(nanos=100_000_000))


class Watch:
    """A watcher that keeps the latest state of each stream."""

    def __init__(self, client: Client, **how: Any) -> None:
        self._call = client.stub.WatchStreams(FAST, **how)
        self.answers: list[pb.WatchStreamsResponse] = []
        self.streams: dict[str, pb.WatchedStream] = {}

    async def until(self, condition: Any) -> Any:
        """Reads until the condition returns something."""
        async with asyncio.timeout(30):
            while not (found := self.answers and condition()):
                answer = await self._call.read()
                assert answer is not grpc.aio.EOF
                self.answers.append(answer)
                if answer.snapshot:
                    self.streams.clear()
                self.streams |= {stream.key: stream for stream in answer.streams}
        return found

    def of(self, stream_id: str) -> pb.WatchedStream | None:
        return next((one for one in self.streams.values() if one.stream_id == stream_id), None)

    async def ended(self, stream_id: str) -> pb.WatchedStream:
        def found() -> pb.WatchedStream | None:
            stream = self.of(stream_id)
            return stream if stream is not None and stream.end_reason else None

        result: pb.WatchedStream = await self.until(found)
        return result

    async def running(self, stream_id: str) -> pb.WatchedStream:
        result: pb.WatchedStream = await self.until(lambda: self.of(stream_id))
        return result

    def leave(self) -> None:
        self._call.cancel()


@contextlib.asynccontextmanager
async def open_stream(client: Client, stream_id: str) -> AsyncIterator[Any]:
    """Opens a stream and sends a window's worth of audio."""
    call = client.stub.StreamingDetect()
    await call.write(config_request(stream_id=stream_id, labels={"caller": "Ann"}))
    assert (await call.read()).HasField("started")
    for request in chunks(noise(2.5, level=0.3)):
        await call.write(request)
    try:
        yield call
    finally:
        call.cancel()


async def test_a_watcher_sees_streams_from_start_to_end(connect: Connect) -> None:
    client = await connect()
    watch = Watch(client)
    await watch.until(lambda: True)
    assert watch.answers[0].snapshot
    loud = chunks(noise(6.0, level=0.3))
    outcome = await client.converse([config_request(stream_id="mine", labels={"a": "b"}), *loud])
    stream = await watch.ended("mine")
    assert stream.end_reason == "CLIENT_DONE"
    assert dict(stream.labels) == {"a": "b"}
    assert stream.audio_format.sample_rate_hertz == RATE
    assert stream.model == outcome.of("started")[0].model.name
    assert stream.alert_policy.rolling_threshold == pytest.approx(0.8)
    (channel,) = stream.channels
    assert channel.summary == outcome.summary.channels[0]
    raised = [alert for alert in outcome.of("alert") if not alert.cleared]
    assert channel.alerts_raised == len(raised) > 0
    assert list(channel.active_alerts) == raised
    last = outcome.windows[-1]
    assert channel.recent[-1].end_offset == last.end_offset
    assert channel.recent[-1].rolling_probability == last.rolling_score.spoof_probability
    assert channel.rolling_score == last.rolling_score
    watch.leave()


async def test_the_snapshot_has_only_running_streams(connect: Connect) -> None:
    client = await connect()
    await client.converse([config_request(stream_id="over"), *chunks(noise(1.0))])
    async with open_stream(client, "running"):
        watch = Watch(client)
        stream = await watch.running("running")
        assert not stream.end_reason
        assert stream.peer
        assert watch.of("over") is None
        late = Watch(client)
        assert (await late.running("running")).key == stream.key
    assert (await watch.ended("running")).end_reason == "CANCELLED"
    assert (await late.ended("running")).end_reason == "CANCELLED"
    watch.leave()
    late.leave()


async def test_a_watcher_that_does_not_read_blocks_nothing(serve: Serve) -> None:
    h = await serve()
    stalled = h.stub.WatchStreams(FAST)
    await stalled.read()
    # far more than the connection buffers for a client that does not read
    labels = {str(number): "x" * 900 for number in range(8)}
    audio = chunks(noise(3.0), size=RATE)
    for number in range(40):
        config = config_request(stream_id=f"s{number}", labels=labels)
        outcome = await h.converse([config, *audio])
        assert outcome.failure is None
        assert len(outcome.windows) == 3
    watch = Watch(h)
    await watch.until(lambda: True)
    assert watch.streams == {}
    stalled.cancel()
    watch.leave()


async def test_watchers_end_with_their_connection(serve: Serve) -> None:
    h = await serve()
    for _ in range(3):
        watch = Watch(h)
        await watch.until(lambda: True)
        watch.leave()
    roster: Any = h.server.runtime.roster
    await h.until(lambda: not roster._watchers)


async def test_the_number_of_watchers_is_limited(serve: Serve) -> None:
    h = await serve()
    watches = [Watch(h) for _ in range(MAX_WATCHERS)]
    for watch in watches:
        await watch.until(lambda: True)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await h.stub.WatchStreams(FAST).read()
    assert unpack(caught.value).reason == "TOO_MANY_WATCHERS"
    for watch in watches:
        watch.leave()


@pytest.mark.parametrize("seconds", [0, 61])
async def test_an_invalid_interval(serve: Serve, seconds: int) -> None:
    h = await serve()
    request = pb.WatchStreamsRequest(min_interval=Duration(seconds=seconds))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await h.stub.WatchStreams(request).read()
    assert unpack(caught.value).reason == "INVALID_DURATION"


async def test_watching_requires_its_own_right(serve: Serve, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        '[[tokens]]\nname = "caller"\ntoken = "calls"\n'
        '[[tokens]]\nname = "console"\ntoken = "looks"\nallow = ["watch"]\n'
    )
    h = await serve(token_file=tokens)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await h.stub.WatchStreams(FAST, metadata=(("authorization", "Bearer calls"),)).read()
    assert unpack(caught.value).reason == "TOKEN_NOT_ALLOWED"
    watch = Watch(h, metadata=(("authorization", "Bearer looks"),))
    await watch.until(lambda: True)
    watch.leave()


async def test_a_stopping_server_notifies_its_watchers(serve: Serve) -> None:
    h = await serve()
    call = h.stub.WatchStreams(FAST)
    await call.read()
    stopping = asyncio.create_task(h.server.stop(5.0))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert unpack(caught.value).reason == "SERVER_DRAINING"
    await stopping
