"""A model replaced while streams run."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.local import LocalModel
from dfd.daemon.server import Server
from dfd.errors import UserError
from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import (
    RATE,
    FakeDetector,
    Serve,
    chunks,
    config_request,
    make_spec,
    noise,
    read_all,
    unpack,
)

_ACTION = pb.ManageModelRequest.Action
LOAD, ACTIVATE, ROLLBACK = (
    _ACTION.ACTION_LOAD,
    _ACTION.ACTION_ACTIVATE,
    _ACTION.ACTION_ROLLBACK,
)


class Says(FakeDetector):
    """Gives every window the same score."""

    def __init__(self, llr: float, **facts: Any) -> None:
        super().__init__(make_spec(**facts))
        self.llr = llr

    def score(self, windows: Any, lengths: Any) -> Any:
        super().score(windows, lengths)
        return np.full(len(lengths), self.llr, np.float32)


async def manage(h: Any, action: Any, **how: Any) -> pb.ManageModelResponse:
    metadata = how.pop("metadata", ())
    request = pb.ManageModelRequest(action=action, **how)
    answer: pb.ManageModelResponse = await h.stub.ManageModel(request, metadata=metadata)
    return answer


async def refusal(h: Any, action: Any, **how: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await manage(h, action, **how)
    failure = unpack(caught.value)
    return failure.reason, failure.message


async def start(serve: Serve, **options: Any) -> Any:
    """Starts a daemon that serves `fake` and can load other models."""
    others = {
        "better": Says(5.0, name="better", version="2"),
        "nan": Says(np.nan, name="nan"),
        "narrow": Says(1.0, name="narrow", sample_rate_hz=8_000),
        "short": Says(1.0, name="short", window_samples=RATE),
    }
    options = {"allow_admin": True, "model": ("fake",)} | options
    return await serve(Says(-5.0), beside=others, **options)


async def windows_of(h: Any, seconds: float = 4.0) -> list[float]:
    found = await h.converse([config_request(), *chunks(noise(seconds))])
    assert found.failure is None
    return [window.window_score.spoof_llr for window in found.windows]


async def test_a_model_is_loaded_activated_and_rolled_back(serve: Serve) -> None:
    h = await start(serve)
    loaded = await manage(h, LOAD, source="better")
    assert (loaded.active.name, loaded.waiting.name) == ("fake", "better")
    assert not loaded.HasField("previous")
    assert set(await windows_of(h)) == {-5.0}
    active = await manage(h, ACTIVATE)
    assert (active.active.name, active.previous.name) == ("better", "fake")
    assert not active.HasField("waiting")
    assert set(await windows_of(h)) == {5.0}
    info = await h.stub.GetServerInfo(pb.GetServerInfoRequest())
    assert [one.name for one in info.models] == ["better"]
    back = await manage(h, ROLLBACK)
    assert (back.active.name, back.waiting.name) == ("fake", "better")
    assert set(await windows_of(h)) == {-5.0}
    assert (await manage(h, ACTIVATE)).active.name == "better"
    told = await manage(h, _ACTION.ACTION_UNSPECIFIED, model="better")
    assert (told.active.name, told.previous.name) == ("better", "fake")


async def test_running_streams_continue_with_the_new_model_and_are_notified(serve: Serve) -> None:
    h = await start(serve)
    call = h.stub.StreamingDetect()
    await call.write(config_request())
    audio = chunks(noise(8.0))
    for request in audio[: len(audio) // 2]:
        await call.write(request)
    scores: list[float] = []
    while not scores:
        answer = await asyncio.wait_for(call.read(), 10.0)
        if answer.HasField("window"):
            scores.append(answer.window.window_score.spoof_llr)
    await manage(h, LOAD, source="better")
    await manage(h, ACTIVATE)
    for request in audio[len(audio) // 2 :]:
        await call.write(request)
    await call.done_writing()
    found = await read_all(call)
    assert found.failure is None
    scores += [window.window_score.spoof_llr for window in found.windows]
    assert scores == sorted(scores)
    assert set(scores) == {-5.0, 5.0}
    summary = found.summary.channels[0]
    assert summary.windows_scored == len(scores)
    warnings = [one for one in found.of("warning") if one.reason == "MODEL_CHANGED"]
    assert "better 2" in warnings[0].message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nan", "no finite score"),
        ("narrow", "at 8000 Hz"),
        ("short", "restart with it"),
        ("", "source is empty"),
    ],
)
async def test_a_bad_model_changes_nothing(serve: Serve, source: str, message: str) -> None:
    h = await start(serve)
    await manage(h, LOAD, source="better")
    reason, said = await refusal(h, LOAD, source=source)
    assert reason == "MODEL_REFUSED"
    assert message in said
    standing = await manage(h, _ACTION.ACTION_UNSPECIFIED)
    assert (standing.active.name, standing.waiting.name) == ("fake", "better")
    assert set(await windows_of(h)) == {-5.0}


async def test_what_cannot_be_loaded_is_refused_with_the_reason(serve: Serve) -> None:
    def load(options: ServeOptions) -> FakeDetector:
        if options.models == ("fake",):
            return Says(-5.0)
        raise UserError(f"there is no model {options.models[0]}: name another")

    h = await start(serve)
    h.server.runtime.replaceables[h.server.runtime.models["fake"].scheduler]._load = load
    assert await refusal(h, LOAD, source="gone") == (
        "MODEL_REFUSED",
        "there is no model gone: name another",
    )


async def test_without_a_loaded_model_there_is_nothing_to_activate(serve: Serve) -> None:
    h = await start(serve)
    assert "load one first" in (await refusal(h, ACTIVATE))[1]
    assert "no model to go back to" in (await refusal(h, ROLLBACK))[1]


async def test_it_is_off_unless_allowed(serve: Serve) -> None:
    h = await start(serve, allow_admin=False)
    reason, message = await refusal(h, LOAD, source="better")
    assert reason == "ADMIN_OFF"
    assert "--allow-admin" in message


async def test_with_tokens_the_right_is_required(serve: Serve, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        '[[tokens]]\nname = "a"\ntoken = "secret-of-a"\nallow = ["admin"]\n'
        '[[tokens]]\nname = "b"\ntoken = "secret-of-b"\nallow = ["detect", "info", "watch"]\n'
    )
    tokens.chmod(0o600)
    h = await start(serve, token_file=tokens)
    other = {"metadata": (("authorization", "Bearer secret-of-b"),)}
    assert (await refusal(h, LOAD, source="better", **other))[0] == "TOKEN_NOT_ALLOWED"
    assert (await refusal(h, LOAD, source="better"))[0] == "TOKEN_MISSING"
    allowed = {"metadata": (("authorization", "Bearer secret-of-a"),)}
    assert (await manage(h, LOAD, source="better", **allowed)).waiting.name == "better"


async def test_a_member_of_a_fusion_is_not_replaced(serve: Serve) -> None:
    h = await start(serve, model=("fake", "better"), fuse=("fake+better",))
    for name in ("fake", "fake+better"):
        assert (await refusal(h, LOAD, model=name, source="nan"))[0] == "MODEL_FIXED"


async def test_a_name_that_another_model_has_is_refused(serve: Serve) -> None:
    h = await start(serve, model=("fake", "better"))
    await manage(h, LOAD, source="better")
    assert "another model that is served is called better" in (await refusal(h, ACTIVATE))[1]


async def test_a_model_that_is_loaded_again_after_it_hung_is_the_active_one() -> None:
    loads: list[str] = []

    def load(options: ServeOptions) -> FakeDetector:
        loads.append(options.models[0])
        return Says(1.0, name=options.models[0])

    server = Server(ServeOptions(port=0, metrics_port=-1, model="a", admission="fixed"), load)
    try:
        await server.bind()
        await server.warm()
        (local,) = server.runtime.replaceables.values()
        assert isinstance(local, LocalModel)
        await local.load("b")
        await local.activate()
        await local._reload()
        assert loads == ["a", "b", "b"]
        assert (await local.roll_back()).name == "a"
    finally:
        await server.stop()
