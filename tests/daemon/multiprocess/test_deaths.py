"""Workers, instances and the supervisor die, and what becomes of the streams."""

import asyncio
import signal

import grpc
import psutil
from grpc_health.v1 import health_pb2

from dfd.clients import events as ev
from dfd.clients.audio import AudioFormat, Encoding
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.options import StreamOptions, VadOptions
from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import (
    RATE,
    chunks,
    noise,
)
from tests.daemon.multiprocess.call import Call, health
from tests.daemon.multiprocess.conftest import Start
from tests.daemon.multiprocess.process import FATAL

SCORED, FAILED = pb.WindowResult.STATUS_SCORED, pb.WindowResult.STATUS_FAILED


def test_a_dying_worker_loses_only_its_own_streams(start: Start) -> None:
    daemon = start(workers=2, max_streams=10)
    calls = [Call(daemon) for _ in range(8)]
    for call in calls:
        call.send(*chunks(noise(3.0)))
    daemon.until(lambda: all(call.windows for call in calls))
    counted = daemon.figure("dfd_windows_total", status="scored")
    assert counted > 0
    daemon.children("worker")[0].kill()
    daemon.until(lambda: daemon.figure("dfd_process_restarts_total", role="worker") == 1)
    daemon.until(lambda: daemon.figure("dfd_ready") == 1)
    for call in calls:
        call.send(*chunks(noise(3.0)))
        call.finish()
    died = [call for call in calls if call.failure is not None]
    assert all(call.failure.code == grpc.StatusCode.UNAVAILABLE for call in died if call.failure)
    assert all(len(c.windows) >= 5 for c in calls if c.failure is None)
    # the dead worker's counts are kept, and its slots are freed
    assert daemon.figure("dfd_windows_total", status="scored") >= counted
    daemon.until(lambda: daemon.figure("dfd_stream_slots_free") == 10)
    again = [Call(daemon) for _ in range(10)]
    assert not any(call.failure for call in again)
    for call in again:
        call.finish()


def test_a_dead_instance_is_replaced(start: Start) -> None:
    daemon = start(workers=2)
    daemon.gate.touch()
    calls = [Call(daemon) for _ in range(4)]
    for call in calls:
        call.send(*chunks(noise(3.0)))
    daemon.children("instance")[0].kill()
    daemon.until(lambda: health(daemon) == health_pb2.HealthCheckResponse.NOT_SERVING)
    late = Call(daemon)
    assert late.failure is not None
    assert late.failure.reason == "WARMING_UP"
    late.finish()
    daemon.gate.unlink()
    daemon.until(lambda: daemon.figure("dfd_ready") == 1)
    assert daemon.figure("dfd_process_restarts_total", role="instance") == 1
    for call in calls:
        call.finish()
        assert call.failure is None
        assert [w.status for w in call.windows] == [SCORED] * len(call.windows)


def test_a_window_that_kills_instances_fails_alone_in_the_end(start: Start) -> None:
    daemon = start(workers=1)
    poisoned, other = Call(daemon), Call(daemon)
    samples = noise(6.0)
    fatal_at = 4.5
    samples[int(fatal_at * RATE)] = int(FATAL * 32768)
    poisoned.send(*chunks(samples))
    other.send(*chunks(noise(6.0)))
    daemon.until(lambda: any(w.status == FAILED for w in poisoned.windows))
    for call in (other, poisoned):
        call.finish()
        assert call.failure is None
    assert FAILED not in {w.status for w in other.windows}
    assert all(
        w.start_offset.ToTimedelta().total_seconds() <= fatal_at
        and fatal_at < w.end_offset.ToTimedelta().total_seconds()
        for w in poisoned.windows
        if w.status == FAILED
    )


def test_a_killed_supervisor_leaves_no_processes(start: Start) -> None:
    daemon = start(workers=2)
    children = daemon.children()
    assert len(children) == 3
    assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
    assert not any(
        child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children
    )


def test_a_second_signal_ends_at_once(start: Start) -> None:
    daemon = start(workers=2, grace_seconds=600.0)
    call = Call(daemon)
    daemon.process.send_signal(signal.SIGINT)
    daemon.until(lambda: any(r.HasField("warning") for r in call.responses))
    assert daemon.end(signal.SIGINT) == 1


async def test_clients_continue_when_every_worker_dies(start: Start) -> None:
    daemon = await asyncio.to_thread(start, workers=2)
    samples = noise(8.0)
    half = len(samples) // 2
    options = StreamOptions(vad=VadOptions(min_speech_seconds=0.0))
    async with (
        AsyncDetectionClient(f"127.0.0.1:{daemon.port}") as client,
        client.stream(AudioFormat(Encoding.LINEAR16, RATE, 1), options=options) as stream,
    ):
        events = aiter(stream)
        await stream.send(samples[:half].tobytes())
        while not isinstance(await anext(events), ev.WindowResult):
            pass
        for worker in daemon.children("worker"):
            worker.kill()
        while not isinstance(await anext(events), ev.ConnectionLost):
            pass
        await stream.send(samples[half:].tobytes())
        await stream.finish()
        rest = [event async for event in events]
    assert any(isinstance(event, ev.Reconnected) for event in rest)
    assert isinstance(rest[-1], ev.Summary)
    assert rest[-1].channels[0].windows_scored >= 3
    assert daemon.figure("dfd_process_restarts_total", role="worker") == 2
