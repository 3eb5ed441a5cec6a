"""The queue of windows to be read for watermarks, and the process that reads them.

It never slows the classifier down: the process has the lowest priority, few windows wait for it,
and what waits too long is left unread. Streams of which least was read come first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from dataclasses import dataclass

import numpy as np

from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.detector.watermarks.records import REQUEST, confidences, reply_bytes
from dfd.detector.watermarks.schemes import Scheme
from dfd.streaming.types import Samples

# None: the window was left unread
Read = tuple[float, ...] | None

_CODE = "from dfd.detector.watermarks.child import main; main()"
_WAITING_AT_MOST = 64
_LATE_SECONDS = 10.0
_ONE_SECONDS = 20.0
_START_SECONDS = 60.0
_AGAIN_SECONDS = 5.0


@dataclass(slots=True, eq=False)
class _Task:
    """A waiting window."""

    samples: Samples
    sample_rate_hz: int
    rank: int
    arrived_at: float
    future: asyncio.Future[Read]


class WatermarkReader:
    """Reads windows of all streams of one process, one at a time; belongs to one event loop.

    Args:
        schemes: the watermarking schemes to read.
        metrics: counts windows by outcome.
    """

    def __init__(self, schemes: tuple[Scheme, ...], metrics: Metrics) -> None:
        self.schemes = schemes
        self._metrics = metrics
        self._waiting: list[_Task] = []
        self._came = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._working: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the process; windows may be submitted at once and wait until it is warm."""
        self._working = asyncio.create_task(self._work(), name="dfd-watermarks")

    async def until_ready(self) -> None:
        """Waits until the process is warm, for a limited time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), _START_SECONDS)

    async def stop(self) -> None:
        """Stops the process; what is still waiting is left unread."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        for task in self._waiting:
            self._give_up(task)
        self._waiting.clear()
        await self._end_process()

    def submit(self, samples: Samples, sample_rate_hz: int, rank: int) -> asyncio.Future[Read]:
        """Queues a window.

        Args:
            samples: the audio, which is not copied.
            sample_rate_hz: its sample rate.
            rank: how much of its stream came before; lower ranks go first.
        """
        future: asyncio.Future[Read] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Task(samples, sample_rate_hz, rank, time.monotonic(), future))
        if len(self._waiting) > _WAITING_AT_MOST:
            last = max(self._waiting, key=lambda task: (task.rank, task.arrived_at))
            self._waiting.remove(last)
            self._give_up(last)
        self._came.set()
        return future

    async def _work(self) -> None:
        while True:
            try:
                await self._begin_process()
                while True:
                    await self._read_next()
            except (TimeoutError, OSError, EOFError, asyncio.IncompleteReadError):
                log(logging.ERROR, "restarting the process that reads watermarks")
                self._ready.clear()
                await self._end_process()
                await asyncio.sleep(_AGAIN_SECONDS)
                self._drop_late()

    async def _begin_process(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _CODE, ",".join(map(str, self.schemes))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(_START_SECONDS):
            await self._answer()
        self._ready.set()

    async def _read_next(self) -> None:
        self._drop_late()
        if not self._waiting:
            self._came.clear()
            await self._came.wait()
            return
        task = min(self._waiting, key=lambda task: (task.rank, task.arrived_at))
        self._waiting.remove(task)
        assert self._process is not None
        assert self._process.stdin is not None
        samples = np.ascontiguousarray(task.samples, "<f4")
        try:
            self._process.stdin.write(REQUEST.pack(task.sample_rate_hz, len(samples)))
            self._process.stdin.write(samples.tobytes())
            async with asyncio.timeout(_ONE_SECONDS):
                await self._process.stdin.drain()
                said = await self._answer()
        except BaseException:
            self._give_up(task)
            raise
        self._metrics.watermark_windows.labels("read").inc()
        if not task.future.done():
            task.future.set_result(said)

    async def _answer(self) -> tuple[float, ...]:
        assert self._process is not None
        assert self._process.stdout is not None
        return confidences(await self._process.stdout.readexactly(reply_bytes(len(self.schemes))))

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _drop_late(self) -> None:
        now = time.monotonic()
        late = [task for task in self._waiting if now - task.arrived_at > _LATE_SECONDS]
        for task in late:
            self._waiting.remove(task)
            self._give_up(task)

    def _give_up(self, task: _Task) -> None:
        self._metrics.watermark_windows.labels("unread").inc()
        if not task.future.done():
            task.future.set_result(None)
