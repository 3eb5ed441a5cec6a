"""Callers that stream in real time, and a device that is too slow for many of them."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import numpy as np

from dfd.clients.transport.rpc import CallEndedError, write
from dfd.v1 import detection_pb2 as pb
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.chaos.daemon import RATE, audio, config

# the device of these tests takes 50 ms for each window in any batch: 20 windows per second,
# which is enough for 40 streams with a hop of 2 s
WINDOW_SECONDS = 0.05
HELD = 40
# callers on one connection, fewer than the server allows there
CALLS_EACH = 100


@dataclass
class Told:
    """The responses to one caller, over all its attempts.

    Attributes:
        admitted_at: on the monotonic clock, as is `shed_at`, with each end of a lost window.
    """

    refusals: set[grpc.StatusCode] = field(default_factory=set)
    without_time: int = 0
    scored: int = 0
    shed: int = 0
    failed: int = 0
    late: list[float] = field(default_factory=list)
    admitted_at: float = float("inf")
    shed_at: list[float] = field(default_factory=list)

    @property
    def admitted(self) -> bool:
        return self.windows > 0

    @property
    def windows(self) -> int:
        return self.scored + self.shed

    @property
    def lost(self) -> float:
        """Share of the windows that were shed."""
        return self.shed / self.windows


@dataclass
class Losses:
    """What the streams that were admitted lost, all together and each."""

    streams: int
    windows: int
    shed: int
    shares: list[float]
    late: list[float]

    @classmethod
    def of(cls, told: list[Told]) -> Losses:
        admitted = [one for one in told if one.admitted]
        return cls(
            len(admitted),
            sum(one.windows for one in admitted),
            sum(one.shed for one in admitted),
            sorted(one.lost for one in admitted),
            sorted(seconds for one in admitted for seconds in one.late),
        )

    @property
    def p99(self) -> float:
        """Seconds from the end of a window within which 99 % of the results came."""
        return self.late[int(0.99 * len(self.late))]

    def __str__(self) -> str:
        least, middle, most = (
            100.0 * one for one in (self.shares[0], statistics.median(self.shares), self.shares[-1])
        )
        return (
            f"{self.streams} streams admitted, {self.shed} of {self.windows} windows lost "
            f"({100.0 * self.shed / self.windows:.1f} %), of one stream's at least {least:.1f}, "
            f"in the median {middle:.1f}, at most {most:.1f} %; 99 % of results within "
            f"{self.p99:.2f} s, half within {statistics.median(self.late):.2f} s"
        )


async def caller(stub: Any, told: Told, until: float) -> None:
    """Streams in real time until the end; if refused, waits as requested and tries again."""
    while time.monotonic() < until:
        call = stub.StreamingDetect()
        try:
            # grpc.aio's own write would overwrite the status of a call that is refused at once
            with contextlib.suppress(CallEndedError):
                await write(call, config())
            started = await call.read()
            assert started.HasField("started")
        except grpc.aio.AioRpcError as error:
            told.refusals.add(error.code())
            details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
            told.without_time += b"RetryInfo" not in details
            await asyncio.sleep(1.0)  # as RetryInfo requests
            continue
        told.admitted_at = began = time.monotonic()
        talking = asyncio.create_task(talk(call, began, until))
        while (answer := await call.read()) is not grpc.aio.EOF:
            if answer.HasField("window"):
                take(told, answer.window, began)
        await talking
        return


def take(told: Told, window: pb.WindowResult, began: float) -> None:
    ended = began + window.end_offset.ToMilliseconds() / 1000
    told.scored += window.status == pb.WindowResult.STATUS_SCORED
    told.failed += window.status == pb.WindowResult.STATUS_FAILED
    if window.status == pb.WindowResult.STATUS_SHED:
        told.shed += 1
        told.shed_at.append(ended)
    elif window.status == pb.WindowResult.STATUS_SCORED and not window.final:
        told.late.append(time.monotonic() - ended)


async def talk(call: Any, began: float, until: float) -> None:
    sent = 0
    chunk, noise = audio(0.2), np.random.default_rng(id(call))
    while (now := time.monotonic()) < until:
        # all streams have different audio, since shared hops would be computed only once
        chunk.audio.content = noise.integers(-3000, 3000, RATE // 5, np.int16).tobytes()
        await call.write(chunk)
        sent += 1
        await asyncio.sleep(max(0.0, began + 0.2 * sent - now))  # in real time
    await call.done_writing()


async def offer(port: int, callers: int, seconds: float, after: float = 0.0) -> list[Told]:
    """Returns what callers were told who came at once, or after some seconds."""
    told = [Told() for _ in range(callers)]
    await asyncio.sleep(after)  # the caller of this function asked for it
    until = time.monotonic() + seconds
    async with contextlib.AsyncExitStack() as stack:
        stubs = []
        for _ in range(-(-callers // CALLS_EACH)):
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options)
            stubs.append(DetectionServiceStub(await stack.enter_async_context(channel)))
        await asyncio.gather(
            *(caller(stubs[number // CALLS_EACH], one, until) for number, one in enumerate(told))
        )
    return told
