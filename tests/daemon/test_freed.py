"""Audio is freed with its call, at once, without waiting for the garbage collector."""

import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from dfd.daemon.rpc.audio import AudioRpc
from dfd.streaming.session import StreamSession
from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import (
    RATE,
    Harness,
    Serve,
    audio_request,
    chunks,
    config_request,
    noise,
    read_all,
)

Freed = list[weakref.ref[Any]]

_FORMAT = pb.AudioFormat(
    encoding=pb.AudioFormat.ENCODING_LINEAR16, sample_rate_hertz=RATE, channel_count=1
)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Freed]:
    """Collects references to calls and their sessions, while the collector is off."""
    found: Freed = []

    def noting(init: Callable[..., None]) -> Callable[..., None]:
        def note(self: object, *args: Any, **more: Any) -> None:
            found.append(weakref.ref(self))
            init(self, *args, **more)

        return note

    for kind in (AudioRpc, StreamSession):
        monkeypatch.setattr(kind, "__init__", noting(kind.__init__))
    gc.collect()
    gc.disable()
    yield found
    gc.enable()


async def finish(h: Harness) -> None:
    assert (await h.converse([config_request(), *chunks(noise(3.0))])).failure is None


async def lie(h: Harness) -> None:
    outcome = await h.converse([config_request(), *chunks(noise(3.0)), audio_request(b"0")])
    assert outcome.failure is not None


async def repeat(h: Harness) -> None:
    outcome = await h.converse([config_request(), *chunks(noise(3.0)), config_request()])
    assert outcome.failure is not None


async def send_too_much(h: Harness) -> None:
    outcome = await h.converse(
        [config_request(), *chunks(noise(3.0)), audio_request(bytes(50_000))]
    )
    assert outcome.failure is not None
    assert outcome.failure.reason == "CHUNK_TOO_LARGE"


async def leave(h: Harness) -> None:
    call = h.stub.StreamingDetect()
    await call.write(config_request())
    await call.read()
    await call.write(audio_request(noise(1.0).tobytes()))
    call.cancel()


async def fall_silent(h: Harness) -> None:
    call = h.stub.StreamingDetect()
    await call.write(config_request())
    await call.write(audio_request(noise(1.0).tobytes()))
    failure = (await read_all(call)).failure
    assert failure is not None
    assert failure.code == grpc.StatusCode.DEADLINE_EXCEEDED


async def record(h: Harness) -> None:
    await h.stub.Detect(pb.DetectRequest(audio_format=_FORMAT, audio=noise(3.0).tobytes()))


async def record_half_a_frame(h: Harness) -> None:
    await refused(h, pb.DetectRequest(audio_format=_FORMAT, audio=noise(3.0).tobytes() + b"0"))


async def record_at_an_odd_rate(h: Harness) -> None:
    odd = pb.AudioFormat(encoding=_FORMAT.encoding, sample_rate_hertz=3, channel_count=1)
    await refused(h, pb.DetectRequest(audio_format=odd, audio=noise(3.0).tobytes()))


async def record_for_another_model(h: Harness) -> None:
    audio = noise(3.0).tobytes()
    await refused(h, pb.DetectRequest(model="other", audio_format=_FORMAT, audio=audio))


async def refused(h: Harness, request: pb.DetectRequest) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await h.stub.Detect(request)


@pytest.mark.parametrize("journal", [False, True], ids=["without a journal", "with a journal"])
@pytest.mark.parametrize(
    "end",
    [
        finish,
        lie,
        repeat,
        send_too_much,
        leave,
        fall_silent,
        record,
        record_half_a_frame,
        record_at_an_odd_rate,
        record_for_another_model,
    ],
)
async def test_audio_is_freed_with_its_call(
    end: Callable[[Harness], Awaitable[None]],
    journal: bool,
    serve: Serve,
    tmp_path: Path,
    held: Freed,
) -> None:
    kept = {"journal": str(tmp_path / "journal.db"), "evidence_clips": tmp_path} if journal else {}
    h = await serve(idle_timeout_seconds=0.5, max_chunk_bytes=40_000, **kept)
    await end(h)
    assert held
    await h.until(lambda: h.active == 0 and not any(one() for one in held))
