import asyncio
import math
from typing import Any

import grpc
import numpy as np
import pytest

from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import (
    POISON,
    RATE,
    FakeDetector,
    Serve,
    audio_request,
    chunks,
    config_request,
    make_spec,
    noise,
    read_all,
)

SCORED = pb.WindowResult.STATUS_SCORED
SHED = pb.WindowResult.STATUS_SHED
FAILED = pb.WindowResult.STATUS_FAILED


async def test_started_results_and_summary(serve: Serve) -> None:
    h = await serve()
    got = await h.converse([config_request(stream_id="call-7"), *chunks(noise(5.0))])
    assert got.failure is None
    started = got.responses[0].started
    assert started.stream_id == "call-7"
    assert started.model.name == "fake"
    assert started.model.weights_sha256 == "ab" * 32
    assert started.model.window_duration.ToSeconds() == 2
    assert started.limits.max_chunk_bytes == 16 << 20
    assert not started.limits.HasField("idle_timeout")
    effective = started.effective_config
    assert effective.model == "fake"
    assert effective.hop_duration.ToSeconds() == 1
    assert effective.vad.engine == pb.VadConfig.ENGINE_WEBRTC
    assert math.isclose(effective.alert_policy.rolling_threshold, 0.8, rel_tol=1e-6)
    assert list(effective.channels) == [0]
    assert [w.sequence for w in got.windows] == list(range(len(got.windows)))
    assert all(w.status == SCORED for w in got.windows)
    assert all(w.timing.batch_size >= 1 for w in got.windows)
    assert got.windows[-1].end_offset.ToSeconds() == 5
    assert got.summary.end_reason == pb.StreamSummary.END_REASON_CLIENT_DONE
    assert got.summary.channels[0].windows_scored == len(got.windows)
    assert h.figure("dfd_streams_total", end="client_done") == 1
    assert h.figure("dfd_windows_total", status="scored") == len(got.windows)
    assert h.figure("dfd_audio_seconds_total") == 5.0
    assert h.figure("dfd_result_seconds_count") == len(got.windows)
    assert h.active == 0


async def test_the_server_names_a_stream_that_has_no_name(serve: Serve) -> None:
    h = await serve()
    first, second = [(await h.converse([config_request()])).responses[0] for _ in range(2)]
    assert first.started.stream_id
    assert first.started.stream_id != second.started.stream_id


async def test_a_stream_without_audio_has_an_inconclusive_summary(serve: Serve) -> None:
    h = await serve()
    got = await h.converse([config_request(), audio_request(b"")])
    assert got.failure is None
    assert got.summary.channels[0].verdict == pb.VERDICT_INCONCLUSIVE


@pytest.mark.parametrize("size", [37, 160, 320, 4801, 200_000])
async def test_any_chunking_gives_the_same_scores(serve: Serve, size: int) -> None:
    h = await serve()
    samples = noise(6.3)
    whole = await h.converse([config_request(), audio_request(samples.tobytes())])
    cut = await h.converse([config_request(), *chunks(samples, size)])
    assert cut.llrs() == whole.llrs()
    assert len(cut.llrs()) >= 6
    assert [w.start_offset for w in cut.windows] == [w.start_offset for w in whole.windows]


async def test_results_come_while_the_client_waits(serve: Serve) -> None:
    """Audio that is held for more is not held for long."""
    h = await serve()
    call = h.stub.StreamingDetect()
    await call.write(config_request())
    for request in chunks(noise(2.0), 111):
        await call.write(request)
    ends = []
    async with asyncio.timeout(30):
        while 2 not in ends:
            window = (await call.read()).window
            ends.append(window.end_offset.ToSeconds())
    await call.done_writing()
    assert (await read_all(call)).failure is None


async def test_channels_are_tracks_of_their_own(serve: Serve) -> None:
    h = await serve()
    quiet, loud = noise(4.0, 1, 0.05), noise(4.0, 2, 0.25)
    stereo = np.column_stack([quiet, loud]).ravel()
    config = config_request()
    config.config.audio_format.channel_count = 2
    got = await h.converse([config, *chunks(stereo, 3200)])
    alone = await h.converse([config_request(), *chunks(loud)])
    assert got.failure is None
    assert got.llrs(1) == alone.llrs()
    assert got.llrs(0) != got.llrs(1)
    for channel in (0, 1):
        sequences = [w.sequence for w in got.windows if w.channel == channel]
        assert sequences == list(range(len(sequences)))
    assert [c.channel for c in got.summary.channels] == [0, 1]
    config.config.channels.append(1)
    chosen = await h.converse([config, *chunks(stereo, 3200)])
    assert chosen.llrs(1) == alone.llrs()
    assert [c.channel for c in chosen.summary.channels] == [1]


async def test_without_window_results_alerts_and_warnings_remain(serve: Serve) -> None:
    h = await serve()
    config = config_request()
    config.config.window_results = False
    config.config.vad.activity_events = True
    loud = noise(6.0, level=0.4).tobytes()
    got = await h.converse([config, audio_request(loud), audio_request(loud, 7 * RATE)])
    assert got.failure is None
    assert got.windows == []
    assert got.of("alert")[0].trigger in (pb.Alert.TRIGGER_ROLLING, pb.Alert.TRIGGER_CUMULATIVE)
    assert not got.of("alert")[0].cleared
    assert [w.reason for w in got.of("warning")] == ["AUDIO_GAP"]
    assert got.of("speech_activity")
    assert got.summary.channels[0].gap_duration.ToSeconds() == 1
    assert h.figure("dfd_alerts_total", trigger="rolling") == 1
    assert h.figure("dfd_warnings_total", reason="AUDIO_GAP") == 1


async def test_offsets_that_follow_are_no_gaps(serve: Serve) -> None:
    h = await serve()
    samples = noise(3.0)
    requests = [
        audio_request(samples[at : at + 160].tobytes(), at) for at in range(0, len(samples), 160)
    ]
    got = await h.converse([config_request(), *requests])
    plain = await h.converse([config_request(), *chunks(samples)])
    assert got.failure is None
    assert got.of("warning") == []
    assert got.llrs() == plain.llrs()


def broken(requests: str) -> list[pb.StreamingDetectRequest]:
    """Requests by a short name, each wrong in one way."""
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


async def test_what_was_sent_before_a_mistake_is_judged(serve: Serve) -> None:
    h = await serve()
    got = await h.converse([config_request(), *chunks(noise(3.0)), config_request()])
    assert got.failure is not None
    assert len(got.llrs()) >= 2


@pytest.mark.parametrize("first", ["nothing", "audio", "empty", "garbage"])
async def test_the_config_comes_first(serve: Serve, first: str) -> None:
    h = await serve()
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


async def test_garbage_in_mid_stream(serve: Serve) -> None:
    h = await serve()
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
    await asyncio.sleep(1.0)
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
async def test_an_impossible_format(serve: Serve, rate: int, count: int, reason: str) -> None:
    h = await serve()
    config = config_request()
    config.config.audio_format.sample_rate_hertz = rate
    config.config.audio_format.channel_count = count
    got = await h.converse([config])
    assert got.failure is not None
    assert (got.failure.code, got.failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert got.responses == []


async def test_an_unknown_model(serve: Serve) -> None:
    h = await serve()
    got = await h.converse([config_request(model="other")])
    assert got.failure is not None
    assert (got.failure.code, got.failure.reason) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_MODEL")
    assert (await h.converse([config_request(model="fake")])).failure is None


async def test_a_missing_vad(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    h = await serve()

    def absent(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")

    monkeypatch.setattr("dfd.daemon.pipeline.StreamSession", absent)
    got = await h.converse([config_request(vad=pb.VadConfig(engine=pb.VadConfig.ENGINE_SILERO))])
    assert got.failure is not None
    assert got.failure.code == grpc.StatusCode.FAILED_PRECONDITION
    assert got.failure.reason == "VAD_UNAVAILABLE"


async def test_a_window_that_cannot_be_scored_fails_alone(serve: Serve) -> None:
    h = await serve()
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


async def test_a_fault_ends_its_stream_and_no_other(
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
    ill = config_request(stream_id="ill")
    ill.config.hop_duration.FromMilliseconds(500)
    got, other = await asyncio.gather(
        h.converse([ill, *chunks(samples)]), h.converse([config_request(), *chunks(samples)])
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


async def test_a_live_stream_is_shed_and_told(serve: Serve) -> None:
    """The device stands still while audio comes in real time."""
    spec = make_spec(window_samples=RATE, hop_samples=RATE // 4)
    h = await serve(FakeDetector(spec), deadline_seconds=0.3)
    call = h.stub.StreamingDetect()
    config = config_request()
    config.config.window_results = False
    await call.write(config)
    requests = chunks(noise(3.0))
    h.detector.gate.clear()
    for at, request in enumerate(requests):
        if at == len(requests) - 5:
            h.detector.gate.set()
        await call.write(request)
        await asyncio.sleep(0.1)
    await call.done_writing()
    got = await read_all(call)
    assert got.failure is None
    assert next(w.reason for w in got.of("warning")) == "WINDOWS_SHED"
    summary = got.summary.channels[0]
    assert summary.windows_shed >= 1
    assert h.figure("dfd_windows_total", status="shed") == summary.windows_shed


async def test_a_fast_stream_is_slowed_and_never_shed(serve: Serve) -> None:
    h = await serve(deadline_seconds=0.2, queue_limit=1)
    h.detector.gate.clear()
    task = asyncio.create_task(h.converse([config_request(), *chunks(noise(40.0), 16000)]))
    await asyncio.sleep(1.0)
    waiting = h.figure("dfd_queue_length")
    h.detector.gate.set()
    got = await task
    assert waiting <= 8
    assert got.failure is None
    assert all(w.status == SCORED for w in got.windows)
    assert len(got.windows) >= 39


async def test_a_client_that_does_not_read_slows_only_itself(serve: Serve) -> None:
    h = await serve()
    deaf = h.stub.StreamingDetect()
    config = config_request()
    config.config.hop_duration.FromMilliseconds(250)

    async def talk() -> None:
        await deaf.write(config)
        for request in chunks(noise(1.0), RATE) * 3000:
            await deaf.write(request)

    talking = asyncio.create_task(talk())
    try:
        got = await h.converse([config_request(), *chunks(noise(3.0))])
        assert got.failure is None
    finally:
        deaf.cancel()
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
    await h.until(lambda: h.active == 0)
