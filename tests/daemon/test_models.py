"""Several models at once: each stream is judged by the one that it names."""

import asyncio
from pathlib import Path

import grpc
import numpy as np
import pytest

from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.lineup import check_lineup
from dfd.daemon.server import Server
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

# twice the window of the other model
OTHER = make_spec(name="other", version="7", window_samples=4 * RATE, hop_samples=2 * RATE)


def test_without_a_model_the_bundled_one_is_served() -> None:
    assert ServeOptions().models == ("bundled",)
    assert ServeOptions(model="a").models == ("a",)
    assert ServeOptions(model=("b", "a", "b")).models == ("b", "a")


def test_every_model_has_an_instance_on_every_device() -> None:
    options = ServeOptions(model=("a", "b"), device="cuda:0,cuda:1")
    assert [(one.models, one.devices) for one in options.instances] == [
        (("a",), ("cuda:0",)),
        (("a",), ("cuda:1",)),
        (("b",), ("cuda:0",)),
        (("b",), ("cuda:1",)),
    ]


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b.pth").touch()
    for other, card in (("b", r"its dfd\.json"), (f"{tmp_path}/b.pth", r"b\.dfd\.json beside it")):
        said = rf'a and {other} are both called fake: .* "name" .* \(for {other} {card}\)'
        with pytest.raises(UserError, match=said):
            check_lineup(ServeOptions(model=("a", other)), [make_spec()] * 2)


async def test_streams_choose_by_name(serve: Serve) -> None:
    h = await serve(beside={"second": FakeDetector(OTHER)})
    audio = chunks(noise(6.0))
    first, named, second = await asyncio.gather(
        *(h.converse([config_request(model=name), *audio]) for name in ("", "fake", "other"))
    )
    assert [one.responses[0].started.model.name for one in (first, named, second)] == [
        "fake",
        "fake",
        "other",
    ]
    assert first.llrs() == named.llrs()
    whole = [w for w in second.windows if not w.provisional]
    assert [w.end_offset.seconds - w.start_offset.seconds for w in whole] == [4, 4]
    assert {size for sizes in h.detector.batches for size in sizes} <= set(range(2 * RATE + 1))


async def test_a_missing_model_is_refused_with_the_available_ones(serve: Serve) -> None:
    h = await serve(beside={"second": FakeDetector(OTHER)})
    failure = (await h.converse([config_request(model="third")])).failure
    assert failure is not None
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_MODEL")
    assert "fake or other" in failure.message


async def test_the_server_describes_all_its_models(serve: Serve) -> None:
    h = await serve(beside={"second": FakeDetector(OTHER)})
    info = await h.stub.GetServerInfo(pb.GetServerInfoRequest())
    assert [(one.name, one.version) for one in info.models] == [("fake", "1"), ("other", "7")]
    assert len(info.model_cards) == 2
    told = [
        sample.labels["name"]
        for family in h.server.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "dfd_model_info"
    ]
    assert sorted(told) == ["fake", "other"]


async def test_recordings_choose_too(serve: Serve) -> None:
    h = await serve(beside={"second": FakeDetector(OTHER)})
    request = pb.DetectRequest(
        audio_format=config_request().config.audio_format,
        audio=noise(5.0).tobytes(),
        model="other",
    )
    assert (await h.stub.Detect(request)).model.name == "other"


async def test_a_token_is_limited_to_the_models_that_it_names(serve: Serve, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        '[[tokens]]\nname = "a"\ntoken = "secret-of-a"\nallow = ["detect"]\nmodels = ["other"]\n'
    )
    tokens.chmod(0o600)
    h = await serve(beside={"second": FakeDetector(OTHER)}, token_file=tokens)
    how = {"metadata": (("authorization", "Bearer secret-of-a"),)}
    refused = await h.converse([config_request(model="fake")], **how)
    assert refused.failure is not None
    assert refused.failure.reason == "MODEL_NOT_ALLOWED"
    assert (await h.converse([config_request(model="other")], **how)).failure is None


async def test_a_hanging_model_affects_no_stream_of_another(serve: Serve) -> None:
    other = FakeDetector(make_spec(name="other", window_samples=RATE, hop_samples=RATE // 4))
    h = await serve(beside={"second": other}, deadline_seconds=0.5)
    other.gate.clear()
    hanging = h.stub.StreamingDetect()
    await hanging.write(config_request(model="other"))
    async for request in paced(chunks(noise(2.0)), 0.1):  # otherwise nothing would be late
        await hanging.write(request)
    await h.until(lambda: not h.server.runtime.models["other"].well())
    assert h.server.well
    first = await h.converse([config_request(), *chunks(noise(6.0))])
    assert first.failure is None
    assert first.summary.channels[0].windows_scored == len(first.windows)
    assert "warning" not in [r.WhichOneof("response") for r in first.responses]
    refused = await h.converse([config_request(model="other")])
    assert refused.failure is not None
    assert refused.failure.reason == "ENGINE_FAILING"
    assert "ask for fake" in refused.failure.message
    other.gate.set()
    await hanging.done_writing()
    found = await read_all(hanging)
    assert "ENGINE_FAILING" in [w.reason for w in found.of("warning")]
    await h.until(h.server.runtime.models["other"].well)


async def test_each_model_has_its_own_batches(serve: Serve) -> None:
    other = FakeDetector(OTHER)
    h = await serve(beside={"second": other})
    h.detector.gate.clear()
    waiting = asyncio.create_task(h.converse([config_request(), *chunks(noise(4.0))]))
    await h.until(lambda: h.figure("dfd_streams_active") == 1.0)
    second = await h.converse([config_request(model="other"), *chunks(noise(6.0))])
    assert second.summary.channels[0].windows_scored == len(second.windows)
    h.detector.gate.set()
    assert (await waiting).failure is None
    assert h.figure("dfd_queue_length") == 0.0


def load_two(options: ServeOptions) -> FakeDetector:
    (name,) = options.models
    return FakeDetector(OTHER if name == "other" else make_spec(name=name))


def test_several_processes_serve_several_models(tmp_path: Path) -> None:
    daemon = SupervisorProcess(tmp_path, f"{__name__}:load_two", workers=2, model=["fake", "other"])
    assert daemon.ready, "".join(daemon.log)
    try:
        assert len(daemon.children("instance")) == 2
        for name, seconds in (("fake", 2), ("other", 4)):
            with grpc.insecure_channel(f"127.0.0.1:{daemon.port}") as channel:
                call = DetectionServiceStub(channel).StreamingDetect(
                    iter([config_request(model=name), *chunks(noise(6.0))]), timeout=60
                )
                responses = list(call)
            assert responses[0].started.model.name == name
            windows = [r.window for r in responses if r.HasField("window")]
            lengths = {w.end_offset.seconds for w in windows if not w.provisional}
            assert min(lengths) == seconds
            assert all(w.status == pb.WindowResult.STATUS_SCORED for w in windows)
            level = np.abs(noise(6.0)[: seconds * RATE] / 32768).mean()
            whole = next(w for w in windows if not w.provisional)
            assert whole.window_score.spoof_llr == pytest.approx(20.0 * level - 2.0, abs=1e-4)
    finally:
        status = daemon.end()
    assert status == 0


async def test_a_duplicate_name_ends_the_start(serve: Serve) -> None:
    server = Server(
        ServeOptions(port=0, metrics_port=-1, model=("a", "b"), admission="fixed"),
        lambda _: FakeDetector(make_spec()),
    )
    await server.bind()
    try:
        with pytest.raises(UserError, match="a and b are both called fake"):
            await server.warm()
    finally:
        await server.stop()
