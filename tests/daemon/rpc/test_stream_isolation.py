"""Isolation: one stream, or one of its windows, does not affect the others."""

import asyncio

import grpc
import pytest

from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import (
    POISON,
    RATE,
    Connect,
    FakeDetector,
    Serve,
    chunks,
    config_request,
    make_spec,
    noise,
    read_all,
)
from tests.waiting import paced

SCORED = pb.WindowResult.STATUS_SCORED
SHED = pb.WindowResult.STATUS_SHED
FAILED = pb.WindowResult.STATUS_FAILED


async def test_a_window_that_cannot_be_scored_fails_alone(connect: Connect) -> None:
    h = await connect()
    samples = noise(8.0)
    clean = await h.converse([config_request(), *chunks(samples)])
    poisoned = samples.copy()
    poisoned[int(4.5 * RATE)] = int(POISON * 32768)
    both = await asyncio.gather(
        h.converse([config_request(), *chunks(poisoned)]),
        h.converse([config_request(), *chunks(samples)]),
    )
    assert both[1].llrs() == clean.llrs()
    assert all(w.status == SCORED for w in both[1].windows)
    statuses = [w.status for w in both[0].windows]
    assert statuses.count(FAILED) == 2
    assert both[0].failure is None
    assert both[0].summary.channels[0].windows_failed == 2


async def test_an_internal_error_ends_only_its_own_stream(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from dfd.streaming.session import StreamSession

    h = await serve()
    samples = noise(5.0)
    clean = await h.converse([config_request(), *chunks(samples)])
    feed = StreamSession.feed

    def faulty(self: StreamSession, content: bytes, sample_offset: int | None = None) -> object:
        if self.options.hop_seconds == 0.5 and self.audio_seconds > 2:
            raise KeyError("a fault of our own")
        return feed(self, content, sample_offset)

    monkeypatch.setattr(StreamSession, "feed", faulty)
    failing = config_request(stream_id="ill")
    failing.config.hop_duration.FromMilliseconds(500)
    got, other = await asyncio.gather(
        h.converse([failing, *chunks(samples)]), h.converse([config_request(), *chunks(samples)])
    )
    assert got.failure is not None
    assert (got.failure.code, got.failure.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL_ERROR")
    assert "ill" in got.failure.message
    assert "fault of our own" not in got.failure.message
    assert other.failure is None
    assert other.llrs() == clean.llrs()
    fault = next(r for r in caplog.records if r.getMessage() == "server fault")
    assert fault.exc_info is not None
    assert fault.fields == {"stream_id": "ill"}  # type: ignore[attr-defined]
    assert h.figure("dfd_streams_total", end="internal_error") == 1
    assert h.active == 0


async def test_a_fault_while_resolving(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    from dfd.streaming.session import StreamSession

    h = await serve()

    def faulty(*_: object) -> None:
        raise KeyError("a fault of our own")

    monkeypatch.setattr(StreamSession, "resolve", faulty)
    got = await h.converse([config_request(), *chunks(noise(5.0))])
    assert got.failure is not None
    assert got.failure.code == grpc.StatusCode.INTERNAL


async def test_a_live_stream_is_shed_and_warned(serve: Serve) -> None:
    """The device is paused while audio arrives in real time."""
    spec = make_spec(window_samples=RATE, hop_samples=RATE // 4)
    h = await serve(FakeDetector(spec), deadline_seconds=0.3)
    call = h.stub.StreamingDetect()
    config = config_request()
    config.config.window_results = False
    await call.write(config)
    requests = chunks(noise(3.0))
    h.detector.gate.clear()
    async for at, request in paced(enumerate(requests), 0.1):
        if at == len(requests) - 5:
            h.detector.gate.set()
        await call.write(request)
    await call.done_writing()
    got = await read_all(call)
    assert got.failure is None
    told = [w.reason for w in got.of("warning")]
    assert told[0] == "ENGINE_FAILING"
    assert {"WINDOWS_SHED", "ENGINE_RECOVERED"} <= set(told)
    summary = got.summary.channels[0]
    assert summary.windows_shed >= 1
    assert h.figure("dfd_windows_total", status="shed") == summary.windows_shed


async def test_a_fast_stream_is_slowed_and_never_shed(serve: Serve) -> None:
    h = await serve(deadline_seconds=0.2, queue_limit=1)
    h.detector.gate.clear()
    task = asyncio.create_task(h.converse([config_request(), *chunks(noise(40.0), 16000)]))
    await asyncio.sleep(1.0)  # all 40 s would be waiting by now
    waiting = h.figure("dfd_queue_length")
    h.detector.gate.set()
    got = await task
    assert waiting <= 8
    assert got.failure is None
    assert all(w.status == SCORED for w in got.windows)
    assert len(got.windows) >= 39


async def test_a_client_that_does_not_read_slows_only_itself(connect: Connect) -> None:
    h = await connect()
    unread = h.stub.StreamingDetect()
    config = config_request()
    config.config.hop_duration.FromMilliseconds(250)

    async def talk() -> None:
        await unread.write(config)
        for request in chunks(noise(1.0), RATE) * 3000:
            await unread.write(request)

    talking = asyncio.create_task(talk())
    try:
        got = await h.converse([config_request(), *chunks(noise(3.0))])
        assert got.failure is None
    finally:
        unread.cancel()
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
    await h.until(lambda: h.active == 0)
