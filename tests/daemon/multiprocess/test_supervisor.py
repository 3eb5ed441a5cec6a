"""The daemon as several processes, and what happens when one of them dies."""

import asyncio
import contextlib
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dfd.clients import events as ev
from dfd.clients.audio import AudioFormat, Encoding
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.options import StreamOptions, VadOptions
from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.daemon.harness import (
    RATE,
    Failure,
    audio_request,
    chunks,
    config_request,
    noise,
    unpack,
)
from tests.daemon.multiprocess.process import FATAL, SupervisorProcess

Start = Callable[..., SupervisorProcess]
SCORED, FAILED = pb.WindowResult.STATUS_SCORED, pb.WindowResult.STATUS_FAILED


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts fronts that end with the test in any case."""
    with contextlib.ExitStack() as stack:

        def begin(**options: Any) -> SupervisorProcess:
            daemon = SupervisorProcess(tmp_path, **options)

            def end() -> None:
                daemon.gate.unlink(missing_ok=True)
                if daemon.process.poll() is None:
                    daemon.end(signal.SIGTERM)

            stack.callback(end)
            assert daemon.ready, "".join(daemon.log)
            return daemon

        yield begin


class Call:
    """A stream on its own connection, sent by hand."""

    def __init__(self, daemon: SupervisorProcess, wait: bool = True) -> None:
        own = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{daemon.port}", own)
        self._more = threading.Condition()
        self._requests: list[Any] = [config_request()]
        self._call = DetectionServiceStub(self.channel).StreamingDetect(self._sent(), timeout=90)
        self.responses: list[pb.StreamingDetectResponse] = []
        self.failure: Failure | None = None
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        if wait:
            daemon.until(lambda: bool(self.responses) or self.failure is not None)

    def _sent(self) -> Iterator[Any]:
        while True:
            with self._more:
                while not self._requests:
                    self._more.wait()
                request = self._requests.pop(0)
            if request is None:
                return
            yield request

    def _read(self) -> None:
        try:
            self.responses.extend(self._call)
        except grpc.RpcError as raised:
            error: Any = raised
            try:
                self.failure = unpack(error)
            except KeyError:  # gRPC's own status, when the connection is lost
                self.failure = Failure(error.code(), "", "", None)
        with self._more:
            self._requests.append(None)
            self._more.notify()

    def send(self, *requests: Any) -> None:
        with self._more:
            self._requests.extend(requests)
            self._more.notify()

    def finish(self) -> "Call":
        """Half-closes and reads the rest."""
        self.send(None)
        self._reading.join(60)
        assert not self._reading.is_alive()
        self.channel.close()
        return self

    @property
    def windows(self) -> list[pb.WindowResult]:
        return [r.window for r in self.responses if r.HasField("window")]


def health(daemon: SupervisorProcess) -> int:
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{daemon.port}", own) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        return int(answer.status)


def test_the_front_serves_until_it_is_told_to_end(start: Start) -> None:
    """Two workers, two instances; signals, draining, the log, and no leftovers."""
    daemon = start(workers=2, device="cpu,cpu", grace_seconds=20.0)
    assert len(daemon.children("worker")) == len(daemon.children("instance")) == 2
    assert health(daemon) == health_pb2.HealthCheckResponse.SERVING
    assert daemon.figure("dfd_ready") == 1
    calls = [Call(daemon) for _ in range(4)]
    for call in calls:
        call.send(*chunks(noise(5.0)))
    daemon.until(lambda: all(len(call.windows) >= 3 for call in calls))
    daemon.process.send_signal(signal.SIGTERM)
    daemon.until(lambda: all(any(r.HasField("warning") for r in list(c.responses)) for c in calls))
    for call in calls:
        assert call.finish().failure is None
        assert call.responses[-1].summary.channels[0].windows_scored == len(call.windows)
    assert daemon.end(0) == 0
    log = "".join(daemon.log)
    assert "Traceback" not in log
    assert "resource_tracker" not in log
    assert not re.search(r"(?m)^(?!\d{4}-)", log.rstrip()), log
    for name in ("worker-0", "worker-1", "instance-0", "instance-1"):
        assert f" process={name} " in log


def test_two_instances_share_the_windows(start: Start) -> None:
    daemon = start(workers=1, device="cpu,cpu")
    daemon.gate.touch()
    call = Call(daemon)
    call.send(*chunks(noise(4.0)))
    daemon.until(lambda: daemon.figure("dfd_streams_active") == 1)
    instances = daemon.children("instance")
    assert len(instances) == 2
    daemon.gate.unlink()
    call.finish()
    assert [w.status for w in call.windows] == [SCORED] * len(call.windows)
    assert daemon.figure("dfd_batch_size_sum") == len(call.windows)


def test_slots_and_metrics_cover_all_workers(start: Start) -> None:
    daemon = start(workers=3, max_streams=5)
    calls = [Call(daemon) for _ in range(8)]
    refused = [call for call in calls if call.failure is not None]
    assert len(refused) == 3
    for call in refused:
        assert call.failure is not None
        assert call.failure.reason == "SERVER_FULL"
    assert daemon.figure("dfd_streams_active") == 5
    assert daemon.figure("dfd_stream_slots") == 5
    assert daemon.figure("dfd_stream_slots_free") == 0
    with grpc.insecure_channel(f"127.0.0.1:{daemon.port}") as channel:
        info = DetectionServiceStub(channel).GetServerInfo(pb.GetServerInfoRequest())
        assert (info.active_streams, info.max_streams) == (5, 5)
    for call in calls:
        call.finish()
    daemon.until(lambda: daemon.figure("dfd_stream_slots_free") == 5)
    assert daemon.figure("dfd_streams_total", end="client_done") == 5
    assert daemon.figure("dfd_errors_total", code="RESOURCE_EXHAUSTED", reason="SERVER_FULL") == 3


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
    ill, other = Call(daemon), Call(daemon)
    samples = noise(6.0)
    fatal_at = 4.5
    samples[int(fatal_at * RATE)] = int(FATAL * 32768)
    ill.send(*chunks(samples))
    other.send(*chunks(noise(6.0)))
    daemon.until(lambda: any(w.status == FAILED for w in ill.windows))
    for call in (other, ill):
        call.finish()
        assert call.failure is None
    assert FAILED not in {w.status for w in other.windows}
    assert all(
        w.start_offset.ToTimedelta().total_seconds() <= fatal_at
        and fatal_at < w.end_offset.ToTimedelta().total_seconds()
        for w in ill.windows
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


def test_a_model_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    daemon = SupervisorProcess(
        tmp_path, loader="dfd.daemon.load:load_model", model=str(tmp_path / "nowhere")
    )
    assert not daemon.ready
    assert daemon.end(0) == 1
    assert "UserError" in daemon.log[-1]
    assert "nowhere" in daemon.log[-1]
    assert sum("Traceback" in line for line in daemon.log) == 1  # this test's own main


def test_the_same_window_gives_the_same_score_in_any_process(start: Start) -> None:
    daemon = start(workers=3, device="cpu,cpu")
    samples = noise(7.0)
    calls = [Call(daemon) for _ in range(6)]
    for call in calls:
        call.send(audio_request(samples.tobytes()))
        call.finish()
    scores = [[w.window_score.spoof_llr for w in call.windows] for call in calls]
    assert all(np.array_equal(score, scores[0]) for score in scores)
    assert len(scores[0]) >= 6


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


def test_watchers_see_the_streams_of_all_workers(start: Start) -> None:
    daemon = start(workers=3)
    own = [("grpc.use_local_subchannel_pool", 1)]
    answers: list[pb.WatchStreamsResponse] = []
    calls = [Call(daemon) for _ in range(6)]
    for call in calls:
        call.send(*chunks(noise(2.5)))
    with grpc.insecure_channel(f"127.0.0.1:{daemon.port}", own) as channel:
        watching = DetectionServiceStub(channel).WatchStreams(pb.WatchStreamsRequest())

        def read() -> None:
            with contextlib.suppress(grpc.RpcError):
                answers.extend(watching)

        threading.Thread(target=read, daemon=True).start()

        def last() -> dict[str, pb.WatchedStream]:
            return {one.key: one for answer in list(answers) for one in answer.streams}

        def windows() -> list[int]:
            return [one.channels[0].summary.windows_scored for one in last().values()]

        daemon.until(lambda: len(windows()) == 6 and min(windows()) > 0)
        victim = daemon.children("worker")[0]
        victim.kill()
        daemon.until(lambda: sum(call.failure is not None for call in calls) > 0)
        lost = sum(call.failure is not None for call in calls)
        if watching.is_active():  # unless it was the watcher's own worker
            daemon.until(
                lambda: (
                    [one.end_reason for one in last().values()].count("LOST") == lost
                    or not watching.is_active()
                )
            )
        for call in calls:
            call.finish()
        watching.cancel()
