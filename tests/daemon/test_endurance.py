"""Clients that die, and clients that send random messages."""

import asyncio
import gc
import logging
import os
import random
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration

from dfd.daemon.scheduling.scheduler import Scheduler
from dfd.daemon.vitals.observed import ObservedScheduler
from dfd.v1 import detection_pb2 as pb
from tests.daemon.harness import (
    Harness,
    Serve,
    audio_request,
    chunks,
    config_request,
    noise,
)

pytestmark = pytest.mark.slow

CLIENT = """
import sys, time, threading, grpc
from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub

config = pb.StreamingDetectRequest.FromString(bytes.fromhex(sys.argv[2]))
audio = pb.StreamingDetectRequest(audio=pb.AudioChunk(content=bytes(3200)))
def requests():
    yield config
    while True:
        yield audio
        time.sleep(0.02)  # five times real time
channels = [grpc.insecure_channel(sys.argv[1], [("grpc.use_local_subchannel_pool", 1)])
            for _ in range(int(sys.argv[3]))]
calls = [DetectionServiceStub(channel).StreamingDetect(requests()) for channel in channels]
for call in calls:
    next(call)
print("streaming", flush=True)
time.sleep(600)  # until it is killed
"""


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def count_tasks() -> int:
    return len(asyncio.all_tasks())


async def cancelled_clients(h: Harness, count: int) -> None:
    for at in range(count):
        call = h.stub.StreamingDetect()
        await call.write(config_request())
        await call.read()
        await call.write(audio_request(noise(2.0).tobytes()))
        if at % 2:
            await call.read()
        call.cancel()
    await h.until(lambda: h.active == 0)


async def test_a_hundred_clients_that_leave_during_a_stream(serve: Serve) -> None:
    h = await serve(max_streams=20)
    await cancelled_clients(h, 30)
    gc.collect()
    tasks, memory = count_tasks(), resident_bytes()
    await cancelled_clients(h, 100)
    gc.collect()
    await h.until(lambda: count_tasks() <= tasks)
    assert resident_bytes() - memory < 20 << 20
    assert h.server.runtime.rpcs == set()
    observed = next(iter(h.server.runtime.models.values())).scheduler
    assert isinstance(observed, ObservedScheduler)
    scheduler = observed._scheduler
    assert isinstance(scheduler, Scheduler)
    assert scheduler._lanes == 0
    assert h.figure("dfd_streams_total", end="cancelled") == 130
    assert h.figure("dfd_streams_active") == 0
    assert h.figure("dfd_queue_length") == 0
    assert (await h.converse([config_request(), *chunks(noise(3.0))])).failure is None


async def test_clients_that_are_killed(serve: Serve) -> None:
    """A hundred connections vanish with their processes, twenty-five at a time."""
    h = await serve()
    tasks = count_tasks()
    config = config_request().SerializeToString().hex()
    for _ in range(4):
        client = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-c", CLIENT, f"127.0.0.1:{h.server.port}", config, "25"],
            stdout=subprocess.PIPE,
        )
        try:
            assert client.stdout is not None
            line = await asyncio.to_thread(client.stdout.readline)
            assert line == b"streaming\n"
            assert h.active == 25
        finally:
            os.kill(client.pid, signal.SIGKILL)
            await asyncio.to_thread(client.communicate)
        await h.until(lambda: h.active == 0)
    await h.until(lambda: count_tasks() <= tasks)
    assert h.figure("dfd_streams_total", end="cancelled") == 100
    assert (await h.converse([config_request(), *chunks(noise(3.0))])).failure is None


def any_config(rng: random.Random) -> pb.StreamingDetectConfig:
    def number() -> int:
        return rng.choice([0, 1, 2, 3, 8, 9, -1, 8000, 16000, 44100, 2**31 - 1, -(2**31)])

    def real() -> float:
        return rng.choice([0.0, 0.5, 1.0, -1.0, 1e30, float("nan"), float("inf")])

    def span() -> Duration:
        return Duration(
            seconds=rng.choice([0, 1, 2, -1, 2**62]),
            nanos=rng.choice([0, 5 * 10**8, -1, 2**31 - 1]),
        )

    config = pb.StreamingDetectConfig(
        audio_format=pb.AudioFormat(
            encoding=rng.randrange(6),  # type: ignore[arg-type]
            sample_rate_hertz=rng.choice([8000, 16000, 48000, number()]),
            channel_count=rng.choice([1, 1, 2, number()]),
        ),
        stream_id=rng.choice(["", "x", "\n\x00", "y" * 300]),
        window_results=True,
        channels=[number() for _ in range(rng.choice([0, 0, 0, 1, 9]))],
    )
    if rng.random() < 0.3:
        config.window_duration.CopyFrom(span())
    if rng.random() < 0.3:
        config.hop_duration.CopyFrom(span())
    if rng.random() < 0.3:
        config.vad.aggressiveness = number()
    if rng.random() < 0.2:
        config.vad.hangover.CopyFrom(span())
    if rng.random() < 0.3:
        config.alert_policy.rolling_threshold = real()
    if rng.random() < 0.2:
        config.alert_policy.hysteresis = real()
    if rng.random() < 0.2:
        config.alert_policy.consecutive_windows = number()
    return config


def any_request(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.1:
        return rng.randbytes(rng.choice([0, 1, 7, 300]))
    if kind < 0.3:
        return pb.StreamingDetectRequest(config=any_config(rng)).SerializeToString()
    if kind < 0.35:
        return config_request().SerializeToString()
    size = rng.choice([0, 1, 2, 320, 640, 32000, 70001, 300_000])
    content = rng.randbytes(size)
    if rng.random() < 0.2:
        content = struct.pack("<4f", float("nan"), float("inf"), 1e38, -1e38) * (size // 16)
    offset = rng.choice([None] * 6 + [0, 160, 10**6, 10**9, 2**62, -1])
    chunk = pb.AudioChunk(content=content, sample_offset=offset)
    return pb.StreamingDetectRequest(audio=chunk).SerializeToString()


def fuzz(port: int, seed: int) -> grpc.StatusCode | None:
    """Sends one stream of random messages; returns its status, None for OK."""
    rng = random.Random(seed)
    first = config_request().SerializeToString() if rng.random() < 0.7 else any_request(rng)
    requests = [first, *(any_request(rng) for _ in range(rng.randrange(8)))]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        detect: Any = channel.unary_unary("/dfd.v1.DetectionService/Detect")
        stream: Any = channel.stream_stream("/dfd.v1.DetectionService/StreamingDetect")
        try:
            if rng.random() < 0.1:
                detect(requests[0], timeout=60)
            else:
                for raw in stream(iter(requests), timeout=60):
                    pb.StreamingDetectResponse.FromString(raw)
        except grpc.RpcError as error:
            return error.code()
    return None


async def test_whatever_is_sent_ends_only_its_own_stream(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    h = await serve(max_chunk_bytes=200_000)
    h.detector.poison = None
    samples = noise(6.0)
    clean = await h.converse([config_request(), *chunks(samples)])
    honest = asyncio.create_task(h.converse([config_request(), *chunks(samples, 320)]))
    seeds = iter(range(400))
    seen: set[grpc.StatusCode | None] = set()

    async def one_after_another() -> None:
        for seed in seeds:
            seen.add(await asyncio.to_thread(fuzz, h.server.port, seed))

    await asyncio.gather(*(one_after_another() for _ in range(3)))
    assert seen <= {
        None,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
    }, [record.exc_text for record in caplog.records if record.exc_info]
    assert {None, grpc.StatusCode.INVALID_ARGUMENT} <= seen
    assert (await honest).llrs() == clean.llrs()
    assert (await h.converse([config_request(), *chunks(samples)])).llrs() == clean.llrs()
    await h.until(lambda: h.active == 0)
    assert not [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


async def test_a_message_beyond_grpcs_own_limit(serve: Serve) -> None:
    h = await serve(max_chunk_bytes=1000, max_recording_bytes=1000)
    detect: Any = h.channel.unary_unary("/dfd.v1.DetectionService/Detect")
    got = None
    try:
        await detect(bytes(3 << 20))
    except grpc.aio.AioRpcError as error:
        got = error.code()
    assert got == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await h.converse([config_request()])).failure is None
