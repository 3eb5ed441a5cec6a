"""The daemon as several processes, and what happens when one of them dies."""

import contextlib
import re
import signal
import threading
from pathlib import Path

import grpc
import numpy as np
from grpc_health.v1 import health_pb2

from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.daemon.harness import (
    audio_request,
    chunks,
    noise,
)
from tests.daemon.multiprocess.call import Call, health
from tests.daemon.multiprocess.conftest import Start
from tests.daemon.multiprocess.process import SupervisorProcess

SCORED, FAILED = pb.WindowResult.STATUS_SCORED, pb.WindowResult.STATUS_FAILED


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
