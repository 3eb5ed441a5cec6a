"""The process that reads watermarks, and its queue."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from dfd.benchmarks.speech import speech
from dfd.daemon.metrics import Metrics
from dfd.daemon.watermarks import reader as readers
from dfd.daemon.watermarks.reader import WatermarkReader
from dfd.detector.watermarks.schemes import named
from tests import perth

RATE = 16_000
SCHEMES = named("perth") if perth.INSTALLED else ()


async def test_excess_windows_are_left_unread_and_counted() -> None:
    metrics = Metrics()
    reader = WatermarkReader(SCHEMES, metrics)  # the process has not started reading
    first = reader.submit(speech(RATE, 1.0), RATE, rank=0)
    later = [reader.submit(speech(RATE, 1.0), RATE, rank=1) for _ in range(64)]
    assert [future.done() for future in later].count(True) == 1
    assert await later[-1] is None
    assert not first.done()
    assert metrics.value("dfd_watermark_windows_total", outcome="unread") == 1
    await reader.stop()
    assert await first is None


@pytest.fixture
async def reader() -> AsyncIterator[WatermarkReader]:
    if not perth.INSTALLED:
        pytest.skip(perth.REASON)
    running = WatermarkReader(SCHEMES, Metrics())
    running.start()
    await running.until_ready()
    yield running
    await running.stop()


@pytest.mark.slow
async def test_a_dead_process_is_restarted(
    reader: WatermarkReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(readers, "_LATE_SECONDS", 60.0)  # on a busy machine the start takes long
    marked = perth.marked(speech(RATE, 2.0), RATE)
    said = await reader.submit(marked, RATE, 0)
    assert said is not None
    assert said[0] == pytest.approx(1.0, abs=0.1)
    process = reader._process
    assert process is not None
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(19, ours + 10)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    async with asyncio.timeout(60):
        assert await reader.submit(marked, RATE, 0) is None  # the request that found it dead
        assert await reader.submit(marked, RATE, 0) == said
