import asyncio
import math

import numpy as np
import pytest

from dfd.streaming.session import StreamSession
from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import (
    RATE,
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


async def test_started_results_and_summary(connect: Connect) -> None:
    h = await connect()
    got = await h.converse([config_request(stream_id="call-7"), *chunks(noise(5.0))])
    assert got.failure is None
    started = got.responses[0].started
    assert started.stream_id == "call-7"
    assert started.model.name == "fake"
    assert started.model.weights_sha256 == "ab" * 32
    assert started.model.window_duration.ToSeconds() == 2
    assert started.limits.max_chunk_bytes == 16 << 20
    assert started.limits.idle_timeout.ToSeconds() == 3900
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


async def test_the_server_assigns_an_id_to_a_stream_without_one(connect: Connect) -> None:
    h = await connect()
    first, second = [(await h.converse([config_request()])).responses[0] for _ in range(2)]
    assert first.started.stream_id
    assert first.started.stream_id != second.started.stream_id


async def test_a_stream_without_audio_has_an_inconclusive_summary(connect: Connect) -> None:
    h = await connect()
    got = await h.converse([config_request(), audio_request(b"")])
    assert got.failure is None
    assert got.summary.channels[0].verdict == pb.VERDICT_INCONCLUSIVE


@pytest.mark.parametrize("size", [37, 160, 320, 4801, 200_000])
async def test_any_chunking_gives_the_same_scores(connect: Connect, size: int) -> None:
    h = await connect()
    samples = noise(6.3)
    whole = await h.converse([config_request(), audio_request(samples.tobytes())])
    cut = await h.converse([config_request(), *chunks(samples, size)])
    assert cut.llrs() == whole.llrs()
    assert len(cut.llrs()) >= 6
    assert [w.start_offset for w in cut.windows] == [w.start_offset for w in whole.windows]


async def test_results_come_while_the_client_waits(connect: Connect) -> None:
    """Audio that is held back for joining is not held for long."""
    h = await connect()
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


async def test_each_channel_is_a_track(connect: Connect) -> None:
    h = await connect()
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


async def test_without_window_results_alerts_and_warnings_remain(connect: Connect) -> None:
    h = await connect()
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


async def test_contiguous_offsets_are_not_gaps(connect: Connect) -> None:
    h = await connect()
    samples = noise(3.0)
    requests = [
        audio_request(samples[at : at + 160].tobytes(), at) for at in range(0, len(samples), 160)
    ]
    got = await h.converse([config_request(), *requests])
    plain = await h.converse([config_request(), *chunks(samples)])
    assert got.failure is None
    assert got.of("warning") == []
    assert got.llrs() == plain.llrs()


@pytest.mark.parametrize(("activity", "longest"), [(False, 0.5), (True, 0.04)])
async def test_small_chunks_reach_the_core_in_few_pieces(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, activity: bool, longest: float
) -> None:
    """As long as no window can be due and activity events are off."""
    sizes: list[int] = []
    feed = StreamSession.feed

    def note(self: StreamSession, content: bytes, sample_offset: int | None = None) -> object:
        sizes.append(len(content))
        return feed(self, content, sample_offset)

    h = await serve()
    monkeypatch.setattr(StreamSession, "feed", note)
    config = config_request()
    config.config.vad.activity_events = activity
    got = await h.converse([config, *chunks(noise(6.0), 320)])
    assert got.failure is None
    assert sum(sizes) == 2 * 6 * RATE
    assert max(sizes) == round(2 * RATE * longest)


async def test_held_audio_is_judged_when_the_server_ends_the_stream(serve: Serve) -> None:
    h = await serve(max_stream_seconds=0.3)
    call = h.stub.StreamingDetect()
    await call.write(config_request())
    await call.write(audio_request(noise(0.2).tobytes()))
    got = await read_all(call)
    assert got.summary.end_reason == pb.StreamSummary.END_REASON_MAX_DURATION
    assert got.summary.channels[0].audio_duration.ToMilliseconds() == 200
