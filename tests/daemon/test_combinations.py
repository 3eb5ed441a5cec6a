"""Fusions and cascades from the point of view of streams."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from dfd.clients.protocol import wire
from dfd.daemon.options import ServeOptions
from dfd.detector.spec import Calibration
from dfd.errors import UserError
from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.daemon.harness import (
    RATE,
    FakeDetector,
    Serve,
    chunks,
    config_request,
    make_spec,
    noise,
    read_all,
)
from tests.daemon.multiprocess.process import SupervisorProcess
from tests.waiting import paced

SCORED, SHED = pb.WindowResult.STATUS_SCORED, pb.WindowResult.STATUS_SHED
FACTS: dict[str, Any] = {"calibration": Calibration(1.0, 0.5)}


class Louder(FakeDetector):
    """Gives three times the LLR of the other model."""

    def score(self, windows: Any, lengths: Any) -> Any:
        return 3.0 * super().score(windows, lengths)


def dear() -> Louder:
    return Louder(make_spec(name="dear", window_samples=3 * RATE, hop_samples=2 * RATE, **FACTS))


def cheap() -> FakeDetector:
    return FakeDetector(make_spec(**FACTS))


def test_combinations_are_loaded() -> None:
    assert ServeOptions(fuse=("a+b",)).models == ("a", "b")
    options = ServeOptions(model=("bundled", "/models/AASIST.pth"), fuse=("AASIST+bundled+c",))
    assert options.models == ("bundled", "/models/AASIST.pth", "c")
    assert options.members_of("AASIST+c") == ("/models/AASIST.pth", "c")
    assert options.members_of("AASIST.pth+c") == ("/models/AASIST.pth", "c")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fuse": ("a",)}, r"write them as a\+b"),
        ({"cascade": ("a+b+c",)}, "a cascade has two models"),
        ({"cascade_from": 1.5}, "use a probability between 0 and 1"),
    ],
)
def test_incompatible_models_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ServeOptions(**options)


async def test_a_fusion_is_a_model_that_streams_can_choose(serve: Serve) -> None:
    h = await serve(cheap(), beside={"dear": dear()}, fuse=("fake+dear",))
    info = await h.stub.GetServerInfo(pb.GetServerInfoRequest())
    assert [one.name for one in info.models] == ["fake", "dear", "fake+dear"]
    assert [(one.name, one.weight) for one in info.models[2].members] == [
        ("fake", 0.5),
        ("dear", 0.5),
    ]
    found = await h.converse([config_request(model="fake+dear"), *chunks(noise(6.0))])
    assert found.failure is None
    assert found.responses[0].started.model.window_duration.seconds == 2
    assert found.windows
    for window in found.windows:
        assert window.status == SCORED
        first, second = window.members
        assert [(one.model, one.status) for one in window.members] == [
            ("fake", SCORED),
            ("dear", SCORED),
        ]
        assert second.spoof_llr == pytest.approx(3.0 * first.spoof_llr, abs=1e-5)
        mean = (first.spoof_llr + second.spoof_llr) / 2.0
        assert window.window_score.spoof_llr == pytest.approx(mean, abs=1e-5)
    alone = await h.converse([config_request(), *chunks(noise(6.0))])
    assert not any(window.members for window in alone.windows)
    event = wire.window(found.windows[0])
    assert [(one.model, one.status.value) for one in event.members] == [
        ("fake", "scored"),
        ("dear", "scored"),
    ]


async def test_without_a_named_model_the_combination_is_the_default(serve: Serve) -> None:
    h = await serve(cheap(), beside={"dear": dear()}, model=(), fuse=("fake+dear",))
    found = await h.converse([config_request()])
    assert found.responses[0].started.model.name == "fake+dear"


async def test_the_other_member_scores_windows_of_a_stalled_one(serve: Serve) -> None:
    other = dear()
    h = await serve(cheap(), beside={"dear": other}, fuse=("fake+dear",), deadline_seconds=0.5)
    other.gate.clear()
    call = h.stub.StreamingDetect()
    await call.write(config_request(model="fake+dear"))
    async for request in paced(chunks(noise(3.0)), 0.1):
        await call.write(request)
    windows: list[pb.WindowResult] = []
    while not any(not window.provisional for window in windows):
        answer = await asyncio.wait_for(call.read(), 10.0)  # and the other one never answered
        if answer.HasField("window"):
            windows.append(answer.window)
    assert [(one.model, one.status) for one in windows[-1].members] == [
        ("fake", SCORED),
        ("dear", SHED),
    ]
    assert windows[-1].status == SCORED
    assert windows[-1].window_score.spoof_llr == pytest.approx(windows[-1].members[0].spoof_llr)
    other.gate.set()
    await call.done_writing()
    assert (await read_all(call)).failure is None


async def test_a_cascade_runs_the_expensive_model_on_few_windows(serve: Serve) -> None:
    other = dear()
    h = await serve(cheap(), beside={"dear": other}, cascade=("fake+dear",), cascade_from=0.3)
    quiet, loud = noise(8.0, level=0.01), noise(8.0, level=0.15)
    audio = chunks(np.concatenate([quiet, loud]))
    found = await h.converse([config_request(model="fake-then-dear"), *audio])
    asked = [[one.model for one in window.members] for window in found.windows]
    assert asked[0] == ["fake"]
    assert asked[-1] == ["fake", "dear"]
    for window in found.windows:
        assert window.window_score.spoof_llr == pytest.approx(window.members[-1].spoof_llr)
    went = [names == ["fake", "dear"] for names in asked]
    for word, count in (("on", sum(went)), ("kept", len(went) - sum(went))):
        assert count > 0
        labels = {"cascade": "fake-then-dear", "went": word}
        assert h.figure("dfd_cascade_windows_total", **labels) == count


async def test_during_an_alert_all_windows_are_escalated(serve: Serve) -> None:
    h = await serve(cheap(), beside={"dear": dear()}, cascade=("fake+dear",), cascade_from=0.3)
    loud, quiet = noise(8.0, level=0.2), noise(6.0, level=0.01)
    # sent in two parts, since escalation depends on whether earlier windows have been judged
    call = h.stub.StreamingDetect()
    await call.write(config_request(model="fake-then-dear"))
    for request in chunks(loud):
        await call.write(request)
    alerts = 0
    while not alerts:
        answer = await asyncio.wait_for(call.read(), 10.0)
        alerts += answer.HasField("alert")
    for request in chunks(quiet):
        await call.write(request)
    await call.done_writing()
    found = await read_all(call)
    last = next(w for w in found.windows if w.start_offset.seconds >= 8)
    assert [one.model for one in last.members] == ["fake", "dear"]


def load(options: ServeOptions) -> FakeDetector:
    (name,) = options.models
    return dear() if name == "dear" else cheap()


def test_several_processes_serve_combinations(tmp_path: Path) -> None:
    daemon = SupervisorProcess(
        tmp_path,
        f"{__name__}:load",
        workers=2,
        model=["fake", "dear"],
        fuse=["fake+dear"],
        cascade=["fake+dear"],
    )
    assert daemon.ready, "".join(daemon.log)
    try:
        for name in ("fake+dear", "fake-then-dear"):
            with grpc.insecure_channel(f"127.0.0.1:{daemon.port}") as channel:
                call = DetectionServiceStub(channel).StreamingDetect(
                    iter([config_request(model=name), *chunks(noise(6.0))]), timeout=60
                )
                windows = [r.window for r in call if r.HasField("window")]
            assert windows
            assert all(
                [(one.model, one.status) for one in window.members]
                == [("fake", SCORED), ("dear", SCORED)]
                for window in windows
            )
        on = daemon.figure("dfd_cascade_windows_total", cascade="fake-then-dear", went="on")
        assert on == len(windows)
    finally:
        status = daemon.end()
    assert status == 0


def test_incompatible_models_end_the_start_of_several_processes(tmp_path: Path) -> None:
    daemon = SupervisorProcess(
        tmp_path, f"{__name__}:load_other_rate", workers=2, fuse=["fake+dear"]
    )
    assert not daemon.ready
    assert daemon.process.wait(60) != 0
    daemon.end()
    assert "only models with the same sample rate can be combined" in "".join(daemon.log)


def load_other_rate(options: ServeOptions) -> FakeDetector:
    (name,) = options.models
    return FakeDetector(make_spec(name=name, sample_rate_hz=8_000 if name == "dear" else RATE))
