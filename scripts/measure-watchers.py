"""Measures the cost of watching to a daemon: CPU time and latency, without and with watchers.

The two are measured in turns, so that other load on the machine affects both equally.

python scripts/measure-watchers.py --streams 200 --watchers 10 --turns 5 --seconds 20
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import time
from typing import Any

import grpc.aio
import numpy as np
import psutil

from dfd.clients import AsyncDetectionClient, StreamOptions, VadOptions
from dfd.clients import events as ev
from dfd.clients.runs.local_daemon import started_daemon
from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub

RATE = 8000
CHUNK_SECONDS = 0.1


async def talk(client: AsyncDetectionClient, number: int, late: list[float]) -> None:
    """Sends one live stream of noise until cancelled; records how late each result is."""
    noise = np.random.default_rng(number).normal(0, 0.1, RATE)
    block = (np.clip(noise, -1, 1) * 32767).astype("<i2")[: int(RATE * CHUNK_SECONDS)].tobytes()
    options = StreamOptions(labels={"n": str(number)}, vad=VadOptions(min_speech_seconds=0.0))
    await asyncio.sleep(2.0 * (number % 97) / 97)
    async with client.stream(sample_rate_hz=RATE, options=options) as stream:
        began = time.monotonic()

        async def send() -> None:
            for at in range(1 << 30):
                await asyncio.sleep(max(0.0, began + at * CHUNK_SECONDS - time.monotonic()))
                await stream.send(block)

        sending = asyncio.create_task(send())
        try:
            async for event in stream:
                if isinstance(event, ev.WindowResult):
                    late.append(time.monotonic() - began - event.end_seconds)  # noqa: PERF401
        finally:
            sending.cancel()


async def look(address: str, watchers: int) -> None:
    """Runs several watchers at once; called in a process of its own."""

    async def one(number: int) -> None:
        # a connection for each, like separate browsers and terminals
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.primary_user_agent", f"w{number}")]
        async with grpc.aio.insecure_channel(address, options) as channel:
            stub = DetectionServiceStub(channel)
            async for _ in stub.WatchStreams(pb.WatchStreamsRequest()):
                pass

    await asyncio.gather(*(one(number) for number in range(watchers)))


async def measure(process: psutil.Process, late: list[float], seconds: float) -> dict[str, float]:
    """Measures for some seconds: the daemon's share of a processor, and latency in milliseconds."""
    late.clear()
    before, began = process.cpu_times(), time.monotonic()
    await asyncio.sleep(seconds)
    after, took = process.cpu_times(), time.monotonic() - began
    used = (after.user + after.system) - (before.user + before.system)
    p50, p99 = np.percentile(late, [50, 99]) * 1000
    load = os.getloadavg()[0]
    return {"processor": used / took, "p50_ms": float(p50), "p99_ms": float(p99), "load": load}


async def run(options: Any) -> None:
    """Measures without and with watchers, in turns."""
    command = [f"--model={options.model}", "--max-streams=1000", "--admission=fixed"]
    found: dict[int, list[dict[str, float]]] = {0: [], options.watchers: []}
    with started_daemon([*command, *options.serve]) as daemon:
        process = psutil.Process(daemon.pid)
        late: list[float] = []
        async with contextlib.AsyncExitStack() as stack:

            async def connect() -> AsyncDetectionClient:
                return await stack.enter_async_context(AsyncDetectionClient(daemon.address))

            talkers = [await connect() for _ in range(4)]
            tasks = [
                asyncio.create_task(talk(talkers[n % 4], n, late)) for n in range(options.streams)
            ]
            await asyncio.sleep(8.0)
            for watchers in (0, options.watchers) * options.turns:
                look = [sys.executable, __file__, f"--look={daemon.address}"]
                looking = await asyncio.create_subprocess_exec(*look, f"--watchers={watchers}")
                await asyncio.sleep(4.0)
                turn = await measure(process, late, options.seconds)
                found[watchers].append(turn)
                print(f"{options.streams} streams, {watchers} watchers: {_text(turn)}", flush=True)
                if watchers:
                    looking.terminate()
                await looking.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    for watchers, turns in found.items():
        medians = {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
        print(f"median of {len(turns)} turns with {watchers} watchers: {_text(medians)}")


def _text(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in figures.items())


def main() -> None:
    """Reads the options and measures, or runs watchers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--watchers", type=int, default=10)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--model", default="noop", help="model, as for dfd serve")
    parser.add_argument("serve", nargs="*", help="further options of dfd serve, after --")
    parser.add_argument("--look", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    asyncio.run(look(options.look, options.watchers) if options.look else run(options))


if __name__ == "__main__":
    main()
