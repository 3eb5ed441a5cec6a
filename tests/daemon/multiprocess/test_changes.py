"""A model replaced in all processes or in none, while streams run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.daemon.harness import chunks, noise, unpack
from tests.daemon.multiprocess.call import Call
from tests.daemon.multiprocess.process import SupervisorProcess

_ACTION = pb.ManageModelRequest.Action
LOAD, ACTIVATE, ROLLBACK = (
    _ACTION.ACTION_LOAD,
    _ACTION.ACTION_ACTIVATE,
    _ACTION.ACTION_ROLLBACK,
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[SupervisorProcess]:
    loader = "tests.daemon.multiprocess.process:load_named"
    one = SupervisorProcess(
        tmp_path, loader, model="fake", workers=2, device="cpu,cpu", allow_admin=True
    )
    try:
        assert one.ready, "".join(one.log)
        yield one
    finally:
        one.end()


def manage(daemon: SupervisorProcess, action: Any, **how: Any) -> list[str]:
    """Names of the active, the waiting and the previous model."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{daemon.port}", own) as channel:
        request = pb.ManageModelRequest(action=action, **how)
        answer = DetectionServiceStub(channel).ManageModel(request, timeout=60)
    return [one.name for one in (answer.active, answer.waiting, answer.previous)]


def refusal(daemon: SupervisorProcess, action: Any, **how: Any) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        manage(daemon, action, **how)
    failure = unpack(caught.value)
    assert failure.reason == "MODEL_REFUSED"
    return failure.message


def scores(call: Call) -> list[float]:
    return [window.window_score.spoof_llr for window in call.windows]


def judged(daemon: SupervisorProcess) -> set[float]:
    """What windows of new streams are given, over several connections."""
    calls = [Call(daemon) for _ in range(6)]
    for call in calls:
        call.send(*chunks(noise(3.0)))
    for call in calls:
        assert call.finish().failure is None
    return {score for call in calls for score in scores(call)}


def models(daemon: SupervisorProcess) -> set[str]:
    """The served models, by the metrics of all processes."""
    infos = [labels for name, labels in daemon.figures() if name == "dfd_model_info"]
    names = ("fake", "better", "deadly")
    return {name for name in names if any(f"'{name}'" in labels for labels in infos)}


def test_all_processes_switch_and_running_streams_continue(daemon: SupervisorProcess) -> None:
    calls = [Call(daemon) for _ in range(6)]
    for call in calls:
        call.send(*chunks(noise(4.0)))
    daemon.until(lambda: all(len(call.windows) >= 2 for call in calls))
    assert manage(daemon, LOAD, source="better") == ["fake", "better", ""]
    # whichever worker is asked
    assert {tuple(manage(daemon, _ACTION.ACTION_UNSPECIFIED)) for _ in range(5)} == {
        ("fake", "better", "")
    }
    assert manage(daemon, ACTIVATE) == ["better", "", "fake"]
    for call in calls:
        call.send(*chunks(noise(4.0)))
        call.finish()
        assert call.failure is None
        found = scores(call)
        assert found == sorted(found)
        assert set(found) == {-5.0, 5.0}
        told = [r.warning.reason for r in call.responses if r.HasField("warning")]
        assert told.count("MODEL_CHANGED") == 1
    assert judged(daemon) == {5.0}
    assert models(daemon) == {"better"}
    assert manage(daemon, ROLLBACK) == ["fake", "better", ""]
    assert judged(daemon) == {-5.0}
    assert manage(daemon, ACTIVATE) == ["better", "", "fake"]


@pytest.mark.parametrize(
    ("source", "message"),
    [("odd", "no memory is left"), ("nan", "no finite score"), ("gone", "there is no model gone")],
)
def test_what_one_process_refuses_changes_none(
    daemon: SupervisorProcess, source: str, message: str
) -> None:
    manage(daemon, LOAD, source="better")
    assert message in refusal(daemon, LOAD, source=source)
    assert manage(daemon, _ACTION.ACTION_UNSPECIFIED) == ["fake", "better", ""]
    assert judged(daemon) == {-5.0}
    assert manage(daemon, ACTIVATE) == ["better", "", "fake"]
    assert judged(daemon) == {5.0}


def test_a_process_that_dies_of_a_model_changes_none(daemon: SupervisorProcess) -> None:
    assert "did not answer" in refusal(daemon, LOAD, source="fatal")
    daemon.until(lambda: daemon.figure("dfd_ready") == 1)
    assert manage(daemon, _ACTION.ACTION_UNSPECIFIED) == ["fake", "", ""]
    assert judged(daemon) == {-5.0}
    assert "load one first" in refusal(daemon, ACTIVATE)
    assert "no model to go back to" in refusal(daemon, ROLLBACK)


def test_a_client_that_leaves_takes_its_load_back(daemon: SupervisorProcess) -> None:
    slow = daemon.gate.with_name("slow")
    slow.touch()
    with grpc.insecure_channel(f"127.0.0.1:{daemon.port}") as channel:
        request = pb.ManageModelRequest(action=LOAD, source="slow")
        call = DetectionServiceStub(channel).ManageModel.future(request, timeout=60)
        with pytest.raises(grpc.FutureTimeoutError):
            call.result(timeout=1.0)
        call.cancel()
        daemon.until(lambda: any("withdrawn by its client" in line for line in daemon.log))
    # the others do not wait for it, although it still loads
    assert manage(daemon, LOAD, source="better") == ["fake", "better", ""]
    slow.unlink()
    assert manage(daemon, ACTIVATE) == ["better", "", "fake"]
    assert judged(daemon) == {5.0}
    assert daemon.figure("dfd_process_restarts_total", role="instance") == 0


def _replace(daemon: SupervisorProcess, role: str) -> None:
    daemon.children(role)[0].kill()
    daemon.until(lambda: daemon.figure("dfd_process_restarts_total", role=role) == 1)
    daemon.until(lambda: daemon.figure("dfd_ready") == 1)


def test_processes_that_start_later_take_the_active_model(daemon: SupervisorProcess) -> None:
    manage(daemon, LOAD, source="better")
    manage(daemon, ACTIVATE)
    _replace(daemon, "instance")
    _replace(daemon, "worker")
    assert judged(daemon) == {5.0}
    assert models(daemon) == {"better"}
    assert {tuple(manage(daemon, _ACTION.ACTION_UNSPECIFIED)) for _ in range(5)} == {
        ("better", "", "fake")
    }
    # the other one too
    assert manage(daemon, ROLLBACK) == ["fake", "better", ""]
    assert judged(daemon) == {-5.0}


def test_going_back_ends_a_model_that_kills_its_processes(daemon: SupervisorProcess) -> None:
    manage(daemon, LOAD, source="deadly")
    manage(daemon, ACTIVATE)
    daemon.gate.touch()
    call = Call(daemon)
    call.send(*chunks(noise(2.5)))
    daemon.until(lambda: daemon.figure("dfd_process_restarts_total", role="instance") >= 1)
    # whether or not one is there at the moment
    assert manage(daemon, ROLLBACK)[0] == "fake"
    call.finish()
    daemon.until(lambda: daemon.figure("dfd_ready") == 1)
    assert judged(daemon) == {-5.0}
