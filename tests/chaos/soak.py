"""Streams that start, end and die against one daemon, and the resources that it holds.

    python -m tests.chaos.soak --minutes 30 --streams 100 [--model bundled]

Each of so many callers has one stream after the other, in real time, and ends it in one of the ways
of `ENDS`: nicely, or as clients do that crash, hang, lie or lose their network. Every ten seconds a
line says what the daemon holds. Before and after, when nobody calls, the same is asked of it at
rest; the run fails if that grew, or if the lowest points of its memory rose in the second half.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import itertools
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np

from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.chaos.daemon import RATE, Daemon, audio, config
from tests.chaos.held import Course, Held
from tests.chaos.raw import RawClient, frame
from tests.waiting import paced

_CHUNK_SECONDS = 0.5
_TICK_SECONDS = 10.0
_WARM_SECONDS = 20.0
# the daemon's timeouts for clients that are silent or do not read
_PATIENCE_SECONDS = 5.0
_OWN_CHANNEL = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]


class Soak:
    """Runs the callers.

    Args:
        daemon: that they call.
        streams: how many there are.
        scored: share of the streams whose windows are scored; the others are silent.
    """

    def __init__(self, daemon: Daemon, streams: int, scored: float = 0.2, seed: int = 1) -> None:
        self._daemon = daemon
        self._rng = random.Random(seed)
        self._noise = np.random.default_rng(seed)
        self._scored = scored
        self._streams = streams
        self._threads = ThreadPoolExecutor(
            streams
        )  # one thread for each caller that speaks by hand
        self._shared: Any = None
        self.ended: collections.Counter[str] = collections.Counter()

    async def run(self, seconds: float) -> None:
        """Runs all callers until the time is over, then ends what is still running."""
        async with grpc.aio.insecure_channel(self._daemon.address, _OWN_CHANNEL) as self._shared:
            callers = [asyncio.create_task(self._call_again()) for _ in range(self._streams)]
            await asyncio.wait(callers, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
            for caller in callers:
                caller.cancel()
            results = await asyncio.gather(*callers, return_exceptions=True)
            await asyncio.to_thread(self._threads.shutdown)
            for result in results:
                if isinstance(result, Exception):
                    raise result

    async def _call_again(self) -> None:
        await asyncio.sleep(self._rng.uniform(0.0, 5.0))  # callers come one by one
        names, weights = zip(*((name, weight) for name, (weight, _) in ENDS.items()), strict=True)
        while True:
            (name,) = self._rng.choices(names, weights)
            try:
                await ENDS[name][1](self, self._rng.uniform(1.0, 20.0))
            except grpc.aio.AioRpcError as error:
                name = f"{name}: {error.code().name}"
            except asyncio.InvalidStateError:  # gRPC's error for writing to an ended call
                name = f"{name}: ended by the daemon before"
            except (OSError, ConnectionError):
                name = f"{name}: connection"
            self.ended[name] += 1
            await asyncio.sleep(self._rng.uniform(0.0, 1.0))  # a caller's pause

    @contextlib.asynccontextmanager
    async def _stub(self) -> AsyncIterator[Any]:
        """Makes a client on a shared connection, or on one that ends with the stream."""
        if self._rng.random() < 0.5:
            yield DetectionServiceStub(self._shared)
            return
        async with grpc.aio.insecure_channel(self._daemon.address, _OWN_CHANNEL) as own:
            yield DetectionServiceStub(own)

    async def _talk(self, call: Any, seconds: float) -> None:
        noise = self._rng.random() < self._scored
        said = config()
        if not noise:
            said.config.vad.ClearField("min_speech_duration")
        await call.write(said)
        chunk = audio(_CHUNK_SECONDS)
        samples = round(_CHUNK_SECONDS * RATE)
        chunk.audio.content = bytes(2 * samples)
        chunks = itertools.repeat(chunk, round(seconds / _CHUNK_SECONDS))
        async for one in paced(chunks, _CHUNK_SECONDS):
            if noise:
                # no two windows are the same, or the model would compute the first one only
                content = self._noise.integers(-3000, 3000, samples, np.int16)
                one.audio.content = content.tobytes()
            await call.write(one)

    async def finish(self, seconds: float) -> None:
        """Ends properly."""
        async with self._stub() as stub:
            call = stub.StreamingDetect(timeout=seconds + 60)
            reading = asyncio.create_task(_read(call))
            try:
                with contextlib.suppress(asyncio.InvalidStateError):  # reading says why it ended
                    await self._talk(call, seconds)
                    await call.done_writing()
                await reading
            finally:
                reading.cancel()
                await asyncio.wait([reading])

    async def cancel(self, seconds: float) -> None:
        """Cancels in the middle of the stream."""
        async with self._stub() as stub:
            call = stub.StreamingDetect(timeout=seconds + 60)
            await self._talk(call, seconds)
            call.cancel()

    async def lie(self, seconds: float) -> None:
        """Sends half a frame."""
        async with self._stub() as stub:
            call = stub.StreamingDetect(timeout=seconds + 60)
            await self._talk(call, seconds)
            bad = audio(_CHUNK_SECONDS)
            bad.audio.content = b"\0"
            await call.write(bad)
            await _read(call)

    async def fall_silent(self, seconds: float) -> None:
        """Stops sending, until the daemon ends the stream."""
        async with self._stub() as stub:
            call = stub.StreamingDetect(timeout=seconds + 60)
            await self._talk(call, min(seconds, 2.0))
            await _read(call)

    async def vanish(self, seconds: float) -> None:
        """Closes the connection without notice."""
        await self._in_thread(65_535, min(seconds, 3.0))

    async def go_deaf(self, seconds: float) -> None:
        """Sends everything but reads nothing, until the daemon ends the stream."""
        await self._in_thread(0, _PATIENCE_SECONDS + min(seconds, 3.0))

    async def _in_thread(self, window: int, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, _raw, self._daemon.port, window, seconds)


ENDS: dict[str, tuple[float, Callable[[Soak, float], Awaitable[None]]]] = {
    "finish": (0.4, Soak.finish),
    "cancel": (0.2, Soak.cancel),
    "lie": (0.1, Soak.lie),
    "fall silent": (0.1, Soak.fall_silent),
    "vanish": (0.1, Soak.vanish),
    "go deaf": (0.1, Soak.go_deaf),
}


async def _read(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


def _raw(port: int, window: int, seconds: float) -> None:
    with RawClient(port, window) as client:
        stream = client.call()
        for message in (config(), audio(1.0)):
            client.push(stream, frame(message.SerializeToString()), 10.0)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            client.receive(0.5)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def at_rest(daemon: Daemon, once: Held | None = None) -> Held:
    """Returns what it holds after the last stream has ended and what is idle has been released.

    Args:
        once: what it held at rest before; it is given time to hold no more than that.
    """
    daemon.until(lambda: daemon.figure("dfd_streams_active") == 0, 90.0)
    time.sleep(_PATIENCE_SECONDS)  # the daemon gives up what is idle for so long
    found = Held.by(daemon)
    # closing connections takes a moment
    for _ in range(20):
        time.sleep(1.0)  # how often to look
        last, found = found, Held.by(daemon)
        if found.like(last) if once is None else found.within(once):
            break
    return found


def soak(
    streams: int,
    seconds: float,
    model: str,
    warm_seconds: float = _WARM_SECONDS,
    tick: float = _TICK_SECONDS,
) -> Course:
    """Runs callers against a daemon."""
    mib: list[float] = []
    with tempfile.TemporaryDirectory(prefix="dfd-soak-") as folder:
        patience = str(_PATIENCE_SECONDS)
        # all are admitted: the test is about what they leave behind, not about admission
        options = [*("--admission", "fixed"), *("--journal", str(Path(folder, "journal.db")))]
        options += ["--idle-timeout-seconds", patience, "--write-timeout-seconds", patience]
        options += ["--log-level", "warning"]
        with Daemon(*options, model=model, fault=Path(folder, "none")) as daemon:
            asyncio.run(Soak(daemon, streams, seed=7).run(warm_seconds))
            before = at_rest(daemon)
            print(f"at rest before: {before}", flush=True)
            callers = Soak(daemon, streams)

            async def look() -> None:
                began = time.monotonic()
                while True:
                    await asyncio.sleep(tick)  # how often to look
                    held = await asyncio.to_thread(Held.by, daemon)
                    mib.append(held.mib)
                    active = int(await asyncio.to_thread(daemon.figure, "dfd_streams_active"))
                    print(
                        f"{time.monotonic() - began:6.0f} s: {held}; {active} streams, "
                        f"{callers.ended.total()} ended, load {os.getloadavg()[0]:.1f}",
                        flush=True,
                    )

            async def both() -> None:
                looking = asyncio.create_task(look())
                await callers.run(seconds)
                looking.cancel()

            asyncio.run(both())
            after = at_rest(daemon, before)
            print(f"at rest after: {after}", flush=True)
            if after.threads > before.threads:
                daemon.process.send_signal(signal.SIGUSR1)
                daemon.until_logged("most recent call first")
                time.sleep(1.0)  # the rest of the traceback
                print("".join(daemon.log[-300:]), flush=True)
            assert not daemon.logged("Traceback"), "".join(daemon.log)
    return Course(before, after, mib, callers.ended)


def main() -> None:
    """Runs it from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--model", default="noop")
    options = parser.parse_args()
    course = soak(options.streams, 60.0 * options.minutes, options.model)
    for name, count in sorted(course.ended.items()):
        print(f"{count:6d} {name}")
    print(course)
    sys.exit(not course.flat)


if __name__ == "__main__":
    main()
