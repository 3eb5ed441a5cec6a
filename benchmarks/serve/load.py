"""A lean load generator: runs many live streams and measures how late their results are.

    python -m dfd.benchmarks.serve.load HOST:PORT --streams 1000 --connections 16 RECORDING...

`dfd replay` is an ordinary client, on one connection and with much work for each stream; this one
does as little as gRPC allows, so that more of the machine is left to the daemon, and spreads its
streams over connections, as many callers would. It prints one JSON object.
"""

import argparse
import asyncio
import json
import math
import random
import resource
import struct
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np

from dfd.benchmarks.recordings import first_channel
from dfd.clients.runs.latency import percentiles_ms
from dfd.errors import UserError
from dfd.v1 import detection_pb2 as pb

_METHOD = "/dfd.v1.DetectionService/StreamingDetect"
_RATE = 16_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent.

    Attributes:
        requests: serialised chunks of audio, repeated as needed.
        chunk_seconds: length of each chunk.
        seconds: length of each stream.
        ramp_seconds: time over which the starts of streams are spread.
    """

    address: str
    streams: int
    connections: int
    requests: tuple[bytes, ...]
    chunk_seconds: float
    seconds: float
    ramp_seconds: float


@dataclass(slots=True)
class Seen:
    """What came back from all streams; latencies are of whole windows, in seconds."""

    statuses: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    queued: list[float] = field(default_factory=list)
    computed: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    behind_seconds: float = 0.0
    run: int = field(default_factory=lambda: random.randrange(32_768))


def read_requests(paths: Sequence[Path], chunk_seconds: float) -> tuple[bytes, ...]:
    """Returns serialised chunks of recordings, one after another, at 16 kHz.

    Raises:
        UserError: if one cannot be read, or together they are shorter than a chunk.
    """
    audio = np.concatenate([first_channel(path, _RATE) for path in paths])
    samples = np.round(np.clip(audio, -1.0, 1.0) * 32767.0).astype("<i2")
    step = round(chunk_seconds * _RATE)
    if len(samples) < step:
        raise UserError(f"the recordings are shorter than one chunk of {chunk_seconds:g} s")
    return tuple(
        pb.StreamingDetectRequest(
            audio=pb.AudioChunk(content=samples[at : at + step].tobytes())
        ).SerializeToString()
        for at in range(0, len(samples) - step + 1, step)
    )


async def run(plan: Plan) -> Seen:
    """Streams everything at speed 1 and reads every result."""
    seen = Seen()
    alone = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(plan.address, alone) for _ in range(plan.connections)]
    try:
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        began = asyncio.get_running_loop().time()
        await asyncio.gather(
            *(
                _stream(
                    plan,
                    channels[number % len(channels)],
                    began + plan.ramp_seconds * number / plan.streams,
                    number,
                    seen,
                )
                for number in range(plan.streams)
            )
        )
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))
    return seen


def _of_its_own(request: bytes, chunk_seconds: float, name: tuple[int, int, int]) -> bytes:
    """Changes three samples of a chunk to values that no other stream, in any run, has there.

    The daemon reuses results for hops that it has heard before, and streams of identical audio
    would measure that.
    """
    at = len(request) - 2 * round(chunk_seconds * _RATE)
    mark = struct.pack("<hhh", *(number % 32_768 for number in name))
    return request[:at] + mark + request[at + len(mark) :]


async def _stream(
    plan: Plan, channel: grpc.aio.Channel, begin_at: float, number: int, seen: Seen
) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(max(0.0, begin_at - loop.time()))
    call: Any = channel.stream_stream(_METHOD)()
    audio = pb.AudioFormat(
        encoding=pb.AudioFormat.ENCODING_LINEAR16, sample_rate_hertz=_RATE, channel_count=1
    )
    config = pb.StreamingDetectConfig(audio_format=audio, window_results=True)
    try:
        await call.write(pb.StreamingDetectRequest(config=config).SerializeToString())
        await call.read()
        start = loop.time()
        reading = asyncio.ensure_future(_read(plan, call, start, seen))
        for index in range(round(plan.seconds / plan.chunk_seconds)):
            # a chunk can be sent once its last sample has been spoken
            left = start + (index + 1) * plan.chunk_seconds - loop.time()
            if left > 0.0:
                await asyncio.sleep(left)
            seen.behind_seconds = max(seen.behind_seconds, -left)
            request = plan.requests[(index + 7 * number) % len(plan.requests)]
            await call.write(_of_its_own(request, plan.chunk_seconds, (seen.run, number, index)))
        await call.done_writing()
        await reading
    except grpc.aio.AioRpcError as error:
        seen.errors.append(error.details() or str(error.code()))


async def _read(plan: Plan, call: Any, start: float, seen: Seen) -> None:
    loop = asyncio.get_running_loop()
    while (raw := await call.read()) is not grpc.aio.EOF:
        response = pb.StreamingDetectResponse.FromString(raw)
        if not response.HasField("window"):
            continue
        window = response.window
        seen.statuses[pb.WindowResult.Status.Name(window.status)] += 1
        if window.status != pb.WindowResult.STATUS_SCORED or window.final:
            continue
        end = window.end_offset.ToNanoseconds() * 1e-9
        sent = start + math.ceil(end / plan.chunk_seconds - 1e-6) * plan.chunk_seconds
        seen.latencies.append(loop.time() - sent)
        seen.queued.append(window.timing.queue_delay.ToNanoseconds() * 1e-9)
        seen.computed.append(window.timing.compute_duration.ToNanoseconds() * 1e-9)


def report(plan: Plan, seen: Seen, cpu_seconds: float) -> dict[str, Any]:
    """Returns what is printed: times in milliseconds, of scored windows only.

    The part of a window's latency that is neither queue nor compute is called network: transport,
    and its handling on both sides.
    """
    parts = zip(seen.latencies, seen.queued, seen.computed, strict=True)
    network = [max(0.0, whole - queue - compute) for whole, queue, compute in parts]
    statuses = {_short(name): count for name, count in seen.statuses.items()}
    return {
        "streams": plan.streams,
        "connections": plan.connections,
        "chunk_seconds": plan.chunk_seconds,
        "windows": statuses,
        "latency_ms": percentiles_ms(seen.latencies),
        "network_ms": percentiles_ms(network),
        "queue_ms": percentiles_ms(seen.queued),
        "compute_ms": percentiles_ms(seen.computed),
        "errors": Counter(seen.errors),
        "generator_behind_seconds": round(seen.behind_seconds, 3),
        "generator_cpu_ms_per_stream_second": round(
            1e3 * cpu_seconds / plan.streams / plan.seconds, 3
        ),
    }


def _short(status: str) -> str:
    return status.removeprefix("STATUS_").lower()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m dfd.benchmarks.serve.load", description="Runs many live streams."
    )
    parser.add_argument("address")
    parser.add_argument("recordings", nargs="+", type=Path, help="the first channel of each")
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--chunk-seconds", type=float, default=0.1)
    parser.add_argument("--ramp-seconds", type=float, default=10.0)
    given = parser.parse_args(arguments)
    try:
        requests = read_requests(given.recordings, given.chunk_seconds)
    except UserError as error:
        parser.error(str(error))
    plan = Plan(
        given.address,
        given.streams,
        given.connections,
        requests,
        given.chunk_seconds,
        given.seconds,
        given.ramp_seconds,
    )
    seen = asyncio.run(run(plan))
    used = resource.getrusage(resource.RUSAGE_SELF)
    json.dump(report(plan, seen, used.ru_utime + used.ru_stime), sys.stdout)
    print()


if __name__ == "__main__":
    main()
