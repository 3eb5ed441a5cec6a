"""After a restart in another thread, another detector has the same scores."""

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dfd.daemon.metrics import Metrics
from dfd.daemon.scheduling.batching import Kind, Outcome, SchedulerOptions
from dfd.daemon.scheduling.device import DeviceThread
from dfd.daemon.scheduling.scheduler import Scheduler
from dfd.detector import Detector, load_detector
from dfd.streaming.types import WindowStatus

from .conftest import DEVICE, Windows

pytestmark = pytest.mark.cuda


def load(folder: Path) -> Detector:
    return load_detector(str(folder), device=DEVICE, batch_buckets=(1, 4))


def llrs(outcomes: list[Outcome]) -> NDArray[np.float64]:
    return np.array([one.spoof_llr for one in outcomes], np.float64)


def test_another_thread_scores_the_same(folder: Path, windows: Windows) -> None:
    detector = load(folder)
    expected = detector.score(*windows)
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(detector.score(*windows)))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(found[0], expected)


def test_a_second_detector_scores_the_same(folder: Path, windows: Windows) -> None:
    first = load(folder)
    expected = first.score(*windows)
    del first
    np.testing.assert_array_equal(load(folder).score(*windows), expected)


def test_the_scheduler_continues_with_another_device_thread(folder: Path, windows: Windows) -> None:
    samples, lengths = windows
    whole = [row for row, length in zip(samples, lengths, strict=True) if length == len(row)]

    async def scored(scheduler: Scheduler) -> list[Outcome]:
        lane = scheduler.open_lane()
        due = scheduler.clock() + 60.0
        waiting = [scheduler.submit(lane, row, due_at=due, kind=Kind.LIVE) for row in whole]
        return await asyncio.gather(*waiting)

    async def work() -> None:
        device, metrics = DeviceThread(), Metrics()
        detector = await device.run(lambda: load(folder))
        options = SchedulerOptions(
            window_samples=detector.spec.window_samples,
            batch_buckets=detector.spec.batch_buckets,
        )
        scheduler = Scheduler(detector, options, metrics, device)
        scheduler.start()
        before = await scored(scheduler)
        device.close()
        await asyncio.to_thread(device.join, 5.0)
        after = await scored(scheduler)
        await scheduler.stop()
        assert [one.status for one in before + after] == [WindowStatus.SCORED] * 2 * len(whole)
        np.testing.assert_allclose(llrs(after), llrs(before), atol=1e-3)

    asyncio.run(work())
