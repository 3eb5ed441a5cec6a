"""Streams that resume with a state from a server."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import (
    RATE,
    Connect,
    FakeDetector,
    Outcome,
    Serve,
    audio_request,
    chunks,
    config_request,
    make_spec,
    noise,
    read_all,
)

SPEECH = noise(9.4)


def checkpoints(got: Outcome) -> list[pb.Checkpoint]:
    return [r.checkpoint for r in got.responses if r.HasField("checkpoint")]


def ask(**changes: Any) -> pb.StreamingDetectRequest:
    return config_request(**({"stream_id": "call-7", "checkpoints": True} | changes))


def goes_on(at: pb.Checkpoint, **changes: Any) -> list[pb.StreamingDetectRequest]:
    """Returns the requests for the rest of the stream, from a checkpoint on."""
    rest = SPEECH[at.resume_offset :].tobytes()
    return [ask(resume_state=at.state, **changes), audio_request(rest, at.resume_offset)]


def facts(got: Outcome) -> dict[int, tuple[Any, ...]]:
    """Returns the results without their latencies."""
    return {
        w.sequence: (
            w.start_offset.ToNanoseconds(),
            w.end_offset.ToNanoseconds(),
            w.status,
            w.final,
            w.cumulative_score.spoof_llr,
            w.rolling_score.spoof_llr,
        )
        for w in got.windows
    }


async def test_checkpoints_are_sent_only_on_request(connect: Connect) -> None:
    h = await connect()
    got = await h.converse([config_request(), *chunks(SPEECH)])
    assert not checkpoints(got)
    assert not got.responses[0].started.effective_config.checkpoints


async def test_a_stream_resumes_from_any_checkpoint_as_if_unbroken(
    connect: Connect,
) -> None:
    h = await connect()
    whole = await h.converse([ask(), *chunks(SPEECH)])
    assert whole.responses[0].started.effective_config.checkpoints
    found = checkpoints(whole)
    assert len(found) >= 7
    for at in (found[0], found[4], found[-1]):
        again = await h.converse(goes_on(at))
        assert again.responses[0].started.resumed
        assert not again.of("warning")
        assert facts(again).items() <= facts(whole).items()
        assert again.summary == whole.summary
        assert not again.of("alert") or at is found[0]


async def test_checkpoints_come_without_window_results_too(connect: Connect) -> None:
    h = await connect()
    first = ask()
    first.config.window_results = False
    got = await h.converse([first, *chunks(SPEECH)])
    assert not got.windows
    assert len(checkpoints(got)) >= 7
    bare = [r for r in got.responses if r.WhichOneof("response") is None]
    assert all(r.HasField("checkpoint") for r in bare)
    again = await h.converse(goes_on(checkpoints(got)[5]))
    assert again.summary == got.summary


async def test_audio_lost_between_two_servers_is_the_gap(serve: Serve) -> None:
    h = await serve()
    at = checkpoints(await h.converse([ask(), *chunks(SPEECH)]))[4]
    begin = at.resume_offset + 2 * RATE
    rest = audio_request(SPEECH[begin:].tobytes(), begin)
    again = await h.converse([ask(resume_state=at.state), rest])
    channel = again.summary.channels[0]
    assert channel.gap_duration.ToSeconds() == 2
    assert channel.audio_duration.ToMilliseconds() == 9400


async def test_watchers_see_the_active_alert(serve: Serve) -> None:
    h = await serve(FakeDetector(make_spec(cumulative_threshold=0.1, rolling_threshold=0.1)))
    loud = noise(9.4, level=0.3)
    whole = await h.converse([ask(), *chunks(loud)])
    assert len(whole.of("alert")) == 2
    at = checkpoints(whole)[-1]
    call = h.stub.StreamingDetect()
    await call.write(ask(resume_state=at.state))
    assert (await call.read()).started.resumed
    watching = h.stub.WatchStreams(pb.WatchStreamsRequest())
    (shown,) = (await watching.read()).streams
    watching.cancel()
    assert len(shown.channels[0].active_alerts) == 2
    assert shown.channels[0].alerts_raised == 2
    await call.done_writing()
    got = await read_all(call)
    assert not got.of("alert")
    assert got.summary.channels[0].HasField("time_to_first_alert")


def turned(state: bytes, at: int) -> bytes:
    return state[:at] + bytes([state[at] ^ 1]) + state[at + 1 :]


@pytest.mark.parametrize(
    ("damage", "config", "why"),
    [
        (lambda s: turned(s, 60), {}, "damaged or forged"),
        (lambda s: turned(s, 20), {}, "damaged or forged"),
        (lambda s: s[:-1], {}, "damaged or forged"),
        (lambda s: b"\x07" + s[1:], {}, "another version"),
        (lambda s: s[:1] + b"none" + s[5:], {}, "--resume-key"),
        (lambda s: b"evidence of a person", {}, "not a state"),
        (lambda s: s + bytes(70_000), {}, "not a state"),
        (lambda s: s, {"stream_id": "call-8"}, "another stream"),
        (lambda s: s, {"alert_policy": pb.AlertPolicy(hysteresis=0.3)}, "another configuration"),
    ],
)
async def test_a_foreign_state_is_refused_without_side_effects(
    serve: Serve, damage: Any, config: dict[str, Any], why: str
) -> None:
    h = await serve()
    whole = await h.converse([ask(), *chunks(SPEECH)])
    neighbour = asyncio.create_task(h.converse([ask(stream_id="other"), *chunks(SPEECH)]))
    state = damage(checkpoints(whole)[4].state)
    got = await h.converse([ask(resume_state=state, **config), *chunks(SPEECH)])
    assert not got.responses[0].started.resumed
    (warning,) = got.of("warning")
    assert warning.reason == "RESUME_REFUSED"
    assert why in warning.message
    assert got.failure is None
    assert facts(got) == facts(whole)
    assert facts(await neighbour) == facts(whole)
    assert h.active == 0


async def test_a_state_of_another_model_key_or_time_is_refused(
    serve: Serve, tmp_path: Path
) -> None:
    h = await serve()
    state = checkpoints(await h.converse([ask(), *chunks(SPEECH)]))[4].state
    (tmp_path / "key").write_text("x" * 32)
    others = {
        "another model": await serve(FakeDetector(make_spec(weights_sha256="cd" * 32))),
        "--resume-key": await serve(resume_key=tmp_path / "key"),
        "s old": await serve(resume_seconds=0.001),
    }
    for why, other in others.items():
        got = await other.converse([ask(resume_state=state), *chunks(SPEECH)])
        assert not got.responses[0].started.resumed
        assert why in got.of("warning")[0].message


async def test_a_draining_server_hands_over_the_whole_stream(serve: Serve) -> None:
    """It makes no last partial window, since another server continues the stream."""
    h = await serve(grace_seconds=1.0)
    whole = await h.converse([ask(), *chunks(SPEECH)])
    call = h.stub.StreamingDetect()
    half = 5 * RATE + 777
    for request in [ask(), *chunks(SPEECH[:half])]:
        await call.write(request)
    reading = asyncio.create_task(read_all(call))
    await h.until(lambda: h.figure("dfd_windows_total", status="scored") >= 10 + 4)
    await h.server.drain()
    left = await reading
    assert left.failure is not None
    assert left.failure.reason == "SERVER_DRAINING"
    assert left.summary.end_reason == pb.StreamSummary.END_REASON_SERVER_DRAINING
    assert not any(w.final for w in left.windows)
    at = checkpoints(left)[-1]
    assert at.resume_offset <= half
    next_one = await serve()
    again = await next_one.converse(goes_on(at))
    assert again.responses[0].started.resumed
    assert again.summary == whole.summary
    told = facts(left)
    assert told.items() <= facts(whole).items()
    assert facts(again).keys() | told.keys() == facts(whole).keys()
