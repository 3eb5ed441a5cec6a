import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest

from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import (
    Client,
    Connect,
    Failure,
    Serve,
    chunks,
    config_request,
    noise,
    stream_config,
    unpack,
)


def request(audio: bytes, **changes: Any) -> pb.DetectRequest:
    config = stream_config()
    return pb.DetectRequest(
        audio_format=config.audio_format, vad=config.vad, audio=audio, **changes
    )


async def refused(h: Client, message: pb.DetectRequest) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await h.stub.Detect(message)
    return unpack(caught.value)


async def test_a_recording_is_scored_like_its_stream(connect: Connect) -> None:
    h = await connect()
    samples = noise(9.7, level=0.3)
    streamed = await h.converse([config_request(), *chunks(samples)])
    got = await h.stub.Detect(request(samples.tobytes()))
    assert [w.window_score.spoof_llr for w in got.windows] == streamed.llrs()
    assert [a.offset for a in got.alerts] == [a.offset for a in streamed.of("alert")]
    assert got.summary == streamed.summary
    assert got.model.name == "fake"
    assert h.figure("dfd_recordings_total", end="client_done") == 1
    assert h.active == 0


async def test_an_empty_recording(connect: Connect) -> None:
    h = await connect()
    got = await h.stub.Detect(request(b""))
    assert got.summary.channels[0].verdict == pb.VERDICT_INCONCLUSIVE
    assert list(got.windows) == []


async def test_a_long_recording_does_not_block_streams(connect: Connect) -> None:
    h = await connect()
    long = asyncio.ensure_future(h.stub.Detect(request(noise(1.0).tobytes() * 300)))
    got = await h.converse([config_request(), *chunks(noise(3.0))])
    assert got.failure is None
    assert not long.done()
    assert len((await long).windows) >= 299


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        (request(bytes(2002)), "INVALID_ARGUMENT", "RECORDING_TOO_LARGE"),
        (request(b"abc"), "INVALID_ARGUMENT", "PARTIAL_FRAME"),
        (request(b"ab", model="other"), "NOT_FOUND", "UNKNOWN_MODEL"),
        (pb.DetectRequest(audio=b"ab"), "INVALID_ARGUMENT", "INVALID_ENCODING"),
    ],
)
async def test_invalid_input_is_refused(
    serve: Serve, message: pb.DetectRequest, code: str, reason: str
) -> None:
    h = await serve(max_recording_bytes=2000)
    failure = await refused(h, message)
    assert (failure.code.name, failure.reason) == (code, reason)
    assert h.figure("dfd_errors_total", code=code, reason=reason) == 1
    assert h.active == 0


async def test_garbage(connect: Connect) -> None:
    h = await connect()
    detect: Any = h.channel.unary_unary("/dfd.v1.DetectionService/Detect")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await detect(b"\xff\xff")
    assert unpack(caught.value).reason == "MALFORMED_MESSAGE"


async def test_recordings_are_admitted_like_streams(serve: Serve) -> None:
    h = await serve(max_streams=1)
    h.detector.gate.clear()
    first = h.stub.Detect(request(noise(3.0).tobytes()))
    await h.until(lambda: h.active == 1)
    assert (await refused(h, request(b""))).reason == "SERVER_FULL"
    first.cancel()
    await h.until(lambda: h.active == 0)
    h.detector.gate.set()
    assert h.figure("dfd_recordings_total", end="cancelled") == 1


async def test_a_fault(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    from dfd.streaming.session import StreamSession

    h = await serve()

    def faulty(*_: object) -> None:
        raise KeyError("a fault of our own")

    monkeypatch.setattr(StreamSession, "finish", faulty)
    failure = await refused(h, request(noise(3.0).tobytes()))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL_ERROR")
    assert h.active == 0
