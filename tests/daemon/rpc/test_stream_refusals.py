"""How the server refuses or ends a stream: every status and reason."""

import asyncio
from typing import Any

import grpc
import numpy as np
import pytest

from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import (
    Connect,
    Serve,
    audio_request,
    chunks,
    config_request,
    noise,
    read_all,
)

SCORED = pb.WindowResult.STATUS_SCORED
SHED = pb.WindowResult.STATUS_SHED
FAILED = pb.WindowResult.STATUS_FAILED


def broken(requests: str) -> list[pb.StreamingDetectRequest]:
    """Returns requests by name, each with one mistake."""
    good = audio_request(noise(0.5).tobytes())
    floats = config_request()
    floats.config.audio_format.encoding = pb.AudioFormat.ENCODING_FLOAT32
    nan = np.array([0.1, np.nan], "<f4").tobytes()
    inf = np.array([0.1, np.inf], "<f4").tobytes()
    return {
        "repeated": [config_request(), good, config_request()],
        "empty": [config_request(), good, pb.StreamingDetectRequest()],
        "partial": [config_request(), good, audio_request(b"abc")],
        "nan": [floats, audio_request(nan)],
        "inf": [floats, audio_request(inf)],
        "backward": [config_request(), good, audio_request(b"ab", 10)],
        "negative": [config_request(), audio_request(b"ab", -1)],
        "far": [config_request(), good, audio_request(b"ab", 2**62)],
        "large": [config_request(), good, audio_request(bytes(65538))],
    }[requests]


@pytest.mark.parametrize(
    ("requests", "reason"),
    [
        ("repeated", "CONFIG_REPEATED"),
        ("empty", "EMPTY_REQUEST"),
        ("partial", "PARTIAL_FRAME"),
        ("nan", "NON_FINITE_SAMPLES"),
        ("inf", "NON_FINITE_SAMPLES"),
        ("backward", "OFFSET_BACKWARD"),
        ("negative", "OFFSET_BACKWARD"),
        ("far", "OFFSET_TOO_FAR"),
        ("large", "CHUNK_TOO_LARGE"),
    ],
)
async def test_a_broken_contract_ends_with_a_summary(
    serve: Serve, requests: str, reason: str
) -> None:
    h = await serve(max_chunk_bytes=65536)
    got = await h.converse(broken(requests))
    assert got.failure is not None
    assert (got.failure.code, got.failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert got.responses[0].WhichOneof("response") == "started"
    assert got.summary.end_reason == pb.StreamSummary.END_REASON_CLIENT_ERROR
    assert h.figure("dfd_errors_total", code="INVALID_ARGUMENT", reason=reason) == 1
    assert h.figure("dfd_streams_total", end="client_error") == 1
    assert h.active == 0


async def test_audio_sent_before_a_mistake_is_judged(connect: Connect) -> None:
    h = await connect()
    got = await h.converse([config_request(), *chunks(noise(3.0)), config_request()])
    assert got.failure is not None
    assert len(got.llrs()) >= 2


@pytest.mark.parametrize("first", ["nothing", "audio", "empty", "garbage"])
async def test_the_config_comes_first(connect: Connect, first: str) -> None:
    h = await connect()
    if first == "garbage":
        raw: Any = h.channel.stream_stream("/dfd.v1.DetectionService/StreamingDetect")
        got = await read_all(raw(iter([b"\xff\xff\xff"])))
        expected = "MALFORMED_MESSAGE"
    else:
        requests = {"audio": [audio_request(b"ab")], "empty": [pb.StreamingDetectRequest()]}
        got = await h.converse(requests.get(first, []))
        expected = "CONFIG_MISSING"
    assert got.failure is not None
    assert got.failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert got.failure.reason == expected
    assert got.responses == []
    assert h.figure("dfd_streams_total", end="refused") == 1


async def test_garbage_in_the_middle_of_a_stream(connect: Connect) -> None:
    h = await connect()
    raw: Any = h.channel.stream_stream("/dfd.v1.DetectionService/StreamingDetect")
    got = await read_all(raw(iter([config_request().SerializeToString(), b"\xff\xff"])))
    assert got.failure is not None
    assert got.failure.reason == "MALFORMED_MESSAGE"


async def test_the_server_is_full(serve: Serve) -> None:
    h = await serve(max_streams=1, retry_seconds=2.5)
    first = h.stub.StreamingDetect()
    await first.write(config_request())
    assert (await first.read()).HasField("started")
    assert h.figure("dfd_stream_slots_free") == 0
    got = await h.converse([config_request(), *chunks(noise(1.0))])
    assert got.failure is not None
    assert got.failure.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (got.failure.reason, got.failure.retry_seconds) == ("SERVER_FULL", 2.5)
    await first.done_writing()
    assert (await read_all(first)).failure is None
    await h.until(lambda: h.active == 0)
    assert (await h.converse([config_request()])).failure is None


async def test_before_the_model_is_warm(serve: Serve) -> None:
    h = await serve(warm=False)
    got = await h.converse([config_request()])
    assert got.failure is not None
    assert got.failure.code == grpc.StatusCode.UNAVAILABLE
    assert (got.failure.reason, got.failure.retry_seconds) == ("WARMING_UP", 1.0)


async def test_idle_timeout(serve: Serve) -> None:
    h = await serve(idle_timeout_seconds=0.3)
    call = h.stub.StreamingDetect()
    await call.write(config_request())
    await call.write(audio_request(noise(1.0).tobytes()))
    got = await read_all(call)
    assert got.failure is not None
    assert got.failure.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert got.failure.reason == "IDLE_TIMEOUT"
    assert got.summary.end_reason == pb.StreamSummary.END_REASON_IDLE_TIMEOUT
    assert got.summary.channels[0].audio_duration.ToSeconds() == 1
    assert got.responses[0].started.limits.idle_timeout.ToMilliseconds() == 300


async def test_a_client_that_the_server_slows_is_not_idle(serve: Serve) -> None:
    h = await serve(idle_timeout_seconds=0.3, deadline_seconds=1.0)
    h.detector.gate.clear()
    task = asyncio.create_task(h.converse([config_request(), *chunks(noise(30.0))]))
    await asyncio.sleep(1.0)  # three times the timeout
    h.detector.gate.set()
    assert (await task).failure is None


async def test_maximum_duration(serve: Serve) -> None:
    h = await serve(max_stream_seconds=0.3)
    call = h.stub.StreamingDetect()
    await call.write(config_request())
    got = await read_all(call)
    assert got.failure is not None
    assert (got.failure.code, got.failure.reason) == (grpc.StatusCode.ABORTED, "MAX_DURATION")
    assert got.summary.end_reason == pb.StreamSummary.END_REASON_MAX_DURATION


async def test_a_call_without_config_gives_its_slot_back(serve: Serve) -> None:
    h = await serve(config_timeout_seconds=0.2)
    got = await read_all(h.stub.StreamingDetect())
    assert got.failure is not None
    assert got.failure.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert got.failure.reason == "CONFIG_TIMEOUT"
    assert h.active == 0


@pytest.mark.parametrize(
    ("rate", "count", "reason"),
    [(-16000, 1, "INVALID_SAMPLE_RATE"), (16000, 0, "INVALID_CHANNEL_COUNT")],
)
async def test_an_impossible_format(connect: Connect, rate: int, count: int, reason: str) -> None:
    h = await connect()
    config = config_request()
    config.config.audio_format.sample_rate_hertz = rate
    config.config.audio_format.channel_count = count
    got = await h.converse([config])
    assert got.failure is not None
    assert (got.failure.code, got.failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert got.responses == []


async def test_an_unknown_model(connect: Connect) -> None:
    h = await connect()
    got = await h.converse([config_request(model="other")])
    assert got.failure is not None
    assert (got.failure.code, got.failure.reason) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_MODEL")
    assert (await h.converse([config_request(model="fake")])).failure is None


async def test_a_missing_vad(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    h = await serve()

    def absent(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")

    monkeypatch.setattr("dfd.daemon.rpc.pipeline.StreamSession", absent)
    got = await h.converse([config_request(vad=pb.VadConfig(engine=pb.VadConfig.ENGINE_SILERO))])
    assert got.failure is not None
    assert got.failure.code == grpc.StatusCode.FAILED_PRECONDITION
    assert got.failure.reason == "VAD_UNAVAILABLE"


async def test_last_windows_have_a_limited_time(serve: Serve) -> None:
    h = await serve(settle_timeout_seconds=0.2)
    h.detector.gate.clear()
    got = await h.converse([config_request(), *chunks(noise(4.0))])
    h.detector.gate.set()
    assert got.failure is None
    assert {w.status for w in got.windows} == {SHED}
    assert got.summary.end_reason == pb.StreamSummary.END_REASON_CLIENT_DONE
    assert got.summary.channels[0].windows_shed == len(got.windows)
