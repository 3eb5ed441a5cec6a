import asyncio
import logging
import time

import grpc
import pytest

from dfd.bridges.calls import CallAudio, CallEnded, CallNote, CallStarted, Reply
from dfd.clients import events as ev
from dfd.clients.audio import AudioFormat, Encoding
from dfd.clients.options import StreamOptions
from tests.bridges.kit import MemorySink, exchange_to, heard, voice
from tests.clients.scripted import ScriptedServer
from tests.waiting import turns, until

LINEAR = AudioFormat(Encoding.LINEAR16, 8000)
STARTED = CallStarted("call-1", LINEAR, {"caller": "Ann"})
SECOND = voice(1.0).tobytes()


async def test_events_carry_the_calls_own_names(daemon: ScriptedServer) -> None:
    daemon.script.alert_after = 1.0
    async with exchange_to(daemon, labels={"site": "B"}) as (exchange, sink):
        call = exchange.enter("test", "here")
        assert call is not None
        call.handle([STARTED, CallAudio(SECOND), CallAudio(SECOND)])
        await until(lambda: sink.of(ev.Alert))
        call.end("done")
        await until(lambda: sink.of(ev.Summary))
        stream_id, _, more = sink.told[0]
        assert stream_id == "call-1"
        assert more["call_id"] == "call-1"
        assert more["labels"] == {"site": "B", "caller": "Ann"}
        assert str(more["time"]).endswith("Z")
        assert more["protocol"] == "test"
        alert_line = next(more for _, event, more in sink.told if isinstance(event, ev.Alert))
        assert alert_line["model"]
        assert "rolling_threshold" in dict(alert_line["policy"])  # type: ignore[call-overload]
        assert dict(daemon.connections[0].config.labels) == {"site": "B", "caller": "Ann"}
        assert exchange.metrics.get("alerts", "raised") == 1
        call.end("twice")
        assert exchange.metrics.get("calls_ended") == 1


async def test_gaps_are_marked(daemon: ScriptedServer) -> None:
    async with exchange_to(daemon) as (exchange, sink):
        call = exchange.enter("test", "here")
        assert call is not None
        assert call.handle([Reply("hi"), STARTED, CallAudio(SECOND), CallNote("x")]) == ["hi"]
        call.handle([CallAudio(SECOND[:2], 800), CallAudio(SECOND), CallEnded("stop")])
        assert call.ended == "stop"
        call.end(call.ended)
        await until(lambda: sink.of(ev.Summary))
        assert heard(daemon, "call-1") == SECOND + bytes(1600) + SECOND[:2] + SECOND
        assert exchange.metrics.get("gap_seconds") == pytest.approx(0.1)


async def test_missing_audio_of_one_leg_is_counted(daemon: ScriptedServer) -> None:
    async with exchange_to(daemon) as (exchange, _):
        call = exchange.enter("test", "here")
        assert call is not None
        call.handle([STARTED, CallAudio(SECOND, filled_frames=4000)])
        assert exchange.metrics.get("filled_seconds") == pytest.approx(0.5)
        call.end("done")


async def test_a_daemon_that_restarts(daemon: ScriptedServer) -> None:
    """The call continues, nothing that fits the buffer is lost, and the id stays the same."""
    async with exchange_to(daemon, buffer_seconds=30.0) as (exchange, sink):
        call = exchange.enter("test", "here")
        assert call is not None
        call.handle([STARTED, CallAudio(SECOND), CallAudio(SECOND)])
        await until(lambda: sink.of(ev.WindowResult))
        await daemon.kill()
        await until(lambda: sink.of(ev.ConnectionLost))
        for _ in range(5):
            call.handle([CallAudio(SECOND)])
            await turns()
        await daemon.start()
        await until(lambda: sink.of(ev.Reconnected))
        call.handle([CallAudio(SECOND)])
        call.end("done")
        await until(lambda: sink.of(ev.Summary))
        assert {one.config.stream_id for one in daemon.connections} == {"call-1"}
        assert heard(daemon, "call-1")[2 * len(SECOND) :] == SECOND * 6
        assert exchange.metrics.get("gap_seconds") == 0.0
        assert exchange.metrics.get("connections_lost") >= 1
        assert exchange.metrics.get("reconnections") == 1


async def test_a_daemon_that_is_away_too_long_leaves_a_marked_gap(
    daemon: ScriptedServer,
) -> None:
    async with exchange_to(daemon, buffer_seconds=2.0) as (exchange, sink):
        call = exchange.enter("test", "here")
        assert call is not None
        call.handle([STARTED, CallAudio(SECOND)])
        await until(lambda: sink.of(ev.WindowResult))
        await daemon.kill()
        await until(lambda: sink.of(ev.ConnectionLost))
        for _ in range(100):
            call.handle([CallAudio(SECOND[:1600])])
        await daemon.start()
        await until(lambda: sink.of(ev.Reconnected))
        call.end("done")
        await until(lambda: sink.of(ev.Summary))
        lost = exchange.metrics.get("gap_seconds", "daemon")
        assert 7.9 <= lost <= 9.1
        (summary,) = sink.of(ev.Summary)
        assert isinstance(summary, ev.Summary)
        assert summary.channels[0].audio_seconds == pytest.approx(11.0)


async def test_a_daemon_that_is_not_running_yet(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "dfd")
    monkeypatch.setattr("dfd.bridges.leg._PATIENCE_SECONDS", 0.1)
    daemon = ScriptedServer()
    await daemon.start()
    await daemon.kill()
    async with exchange_to(daemon) as (exchange, sink):
        call = exchange.enter("test", "here")
        assert call is not None
        call.handle([STARTED, CallAudio(SECOND)])
        await until(lambda: "has not answered" in caplog.text)
        await daemon.start()
        await until(lambda: daemon.connections)
        call.handle([CallAudio(SECOND)])
        call.end("done")
        await until(lambda: sink.of(ev.Summary))
        assert heard(daemon, "call-1") == SECOND + SECOND
    await daemon.kill()


async def test_a_call_waits_for_a_full_daemon(daemon: ScriptedServer) -> None:
    daemon.script.refusals_when_full = 3
    async with exchange_to(daemon) as (exchange, sink):
        call = exchange.enter("test", "here")
        assert call is not None
        call.handle([STARTED, CallAudio(SECOND)])
        await until(lambda: daemon.connections)
        call.handle([CallAudio(SECOND)])
        call.end("done")
        await until(lambda: sink.of(ev.Summary))
        assert heard(daemon, "call-1") == SECOND + SECOND


async def test_a_call_that_ends_while_the_daemon_is_away() -> None:
    daemon = ScriptedServer()
    await daemon.start()
    await daemon.kill()
    async with exchange_to(daemon, drain_seconds=0.2) as (exchange, _):
        call = exchange.enter("test", "here")
        assert call is not None
        call.handle([STARTED, CallAudio(SECOND)])
        call.end("done")
        await until(lambda: exchange.metrics.get("unjudged_calls") == 1)


async def test_an_error_of_one_stream_opens_another(
    daemon: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfd.bridges.leg._FIRST_DELAY_SECONDS", 0.05)
    daemon.script.abort_after, daemon.script.abort_code = 1.0, grpc.StatusCode.INTERNAL
    async with exchange_to(daemon) as (exchange, sink):
        call = exchange.enter("test", "here")
        assert call is not None
        call.handle([STARTED, CallAudio(SECOND)])
        await until(lambda: exchange.metrics.get("streams_failed", "INTERNAL") == 1)
        await until(lambda: len(daemon.connections) == 2)
        call.handle([CallAudio(SECOND)])
        call.end("done")
        await until(lambda: sink.of(ev.Summary))
        assert heard(daemon, "call-1")[-len(SECOND) :] == SECOND
        assert daemon.connections[1].config.stream_id == "call-1"
        assert daemon.connections[1].first_offset == 8000


async def test_a_refused_token_leaves_the_call_alone(
    daemon: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.script.token = "t"
    async with exchange_to(daemon) as (exchange, _):
        call = exchange.enter("test", "here")
        assert call is not None
        call.handle([STARTED, CallAudio(SECOND)])
        await until(lambda: exchange.metrics.get("streams_failed", "UNAUTHENTICATED") == 1)
        for _ in range(3):
            call.handle([CallAudio(SECOND)])
        assert exchange.metrics.get("gap_seconds", "unjudged") == pytest.approx(3.0)
        assert exchange.calls_active == 1
        call.end("done")
    assert "continues unjudged" in caplog.text
    assert daemon.connections == []


async def test_a_slow_daemon_is_reported_now_and_then(
    daemon: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.script.read_delay = 0.05
    async with exchange_to(daemon, buffer_seconds=0.2, drain_seconds=0.5) as (exchange, sink):
        call = exchange.enter("test", "here")
        assert call is not None
        call.handle([STARTED])
        await until(lambda: daemon.connections)
        while len(sink.of(ev.AudioLost)) < 4:
            for _ in range(200):
                call.handle([CallAudio(SECOND)])
            await asyncio.sleep(0.01)  # the daemon reads meanwhile
        call.end("done")
    assert caplog.text.count("too slow") == 1
    assert exchange.metrics.get("gap_seconds", "daemon") > 100


async def test_a_draining_daemon(daemon: ScriptedServer) -> None:
    daemon.script.drain_after = 1.0
    async with exchange_to(daemon) as (exchange, sink):
        call = exchange.enter("test", "here")
        assert call is not None
        call.handle([STARTED, CallAudio(SECOND), CallAudio(SECOND)])
        await until(lambda: sink.of(ev.Reconnected))
        call.handle([CallAudio(SECOND)])
        call.end("done")
        await until(lambda: sink.of(ev.Summary))
        assert len(heard(daemon, "call-1")) == 3 * len(SECOND)
        assert exchange.metrics.get("gap_seconds") == 0.0


async def test_accepting_audio_never_blocks(daemon: ScriptedServer) -> None:
    daemon.script.mute = True
    async with exchange_to(daemon, buffer_seconds=1.0, drain_seconds=0.1) as (exchange, _):
        call = exchange.enter("test", "here")
        assert call is not None
        began = time.monotonic()
        call.handle([STARTED])
        for _ in range(10_000):
            call.handle([CallAudio(bytes(320))])
        assert time.monotonic() - began < 30
        call.end("done")


async def test_a_sink_that_fails_harms_nothing(daemon: ScriptedServer) -> None:
    class Broken(MemorySink):
        def emit(self, stream_id: str, event: ev.Event, **more: object) -> None:
            super().emit(stream_id, event, **more)
            raise OSError("the disk is full")

    async with exchange_to(daemon) as (exchange, _):
        broken = Broken()
        exchange._sink = broken
        call = exchange.enter("test", "here")
        assert call is not None
        call.handle([STARTED, CallAudio(SECOND)])
        call.end("done")
        await until(lambda: broken.of(ev.Summary))
        assert exchange.metrics.get("sink_failures") == len(broken.told)


async def test_two_calls_with_one_name_are_two_streams(daemon: ScriptedServer) -> None:
    async with exchange_to(daemon) as (exchange, sink):
        for _ in range(2):
            call = exchange.enter("test", "here")
            assert call is not None
            call.handle([STARTED, CallAudio(SECOND)])
        await exchange.aclose()
        assert len(sink.of(ev.Summary)) == 2
        assert {stream_id for stream_id, _, _ in sink.told} == {"call-1", "call-1-2"}
        again = exchange.enter("test", "here")
        assert again is not None
        again.handle([STARTED, CallAudio(SECOND)])
        await exchange.aclose()
        assert sink.told[-1][0] == "call-1"


async def test_the_options_of_every_stream(daemon: ScriptedServer) -> None:
    async with exchange_to(daemon, stream=StreamOptions(model="scripted")) as (exchange, _):
        call = exchange.enter("test", "here")
        assert call is not None
        call.handle([STARTED])
        await until(lambda: daemon.connections)
        assert daemon.connections[0].config.model == "scripted"
