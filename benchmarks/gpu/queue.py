"""Fourth part: the daemon's scheduler in front of a model, at fractions of its full load.

There is no gRPC: the scheduler gets windows as if from many streams, each at its own moment, so
that the load of thousands of streams fits into one process.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from dfd.benchmarks.gpu.model import BASE, folder_of
from dfd.benchmarks.gpu.notes import Part, start
from dfd.benchmarks.gpu.timing import seconds_of
from dfd.clients.runs.latency import percentiles_ms
from dfd.daemon.metrics import Metrics
from dfd.daemon.scheduling.batching import Kind, SchedulerOptions
from dfd.daemon.scheduling.scheduler import Scheduler
from dfd.detector import Detector, load_detector
from dfd.streaming.types import WindowStatus

_SHARES = (0.3, 0.6, 0.8)
_DEADLINE_SECONDS = 1.0


@dataclass(slots=True)
class _Seen:
    queued: list[float] = field(default_factory=list)
    computed: list[float] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    lost: int = 0


def main() -> None:
    """Runs the part."""
    part = start()
    buckets = (1, 2) if part.quick else None
    part.tell(f"loading {BASE}")
    detector = load_detector(
        str(folder_of(part, BASE)), device=part.device, batch_buckets=buckets, warm=not part.quick
    )
    most = _most(part, detector)
    part.notes.put("precision", detector.spec.precision)
    part.notes.put("most_windows_per_second", round(most, 1))
    seconds = 1.0 if part.quick else 8.0
    for share in _SHARES[:1] if part.quick else _SHARES:
        seen = asyncio.run(_load(detector, share * most, seconds))
        total = [queue + compute for queue, compute in zip(seen.queued, seen.computed, strict=True)]
        row: dict[str, Any] = {
            "share": share,
            "windows_per_second": round(share * most, 1),
            "scored": len(total),
            "lost": seen.lost,
            "queue_ms": percentiles_ms(seen.queued),
            "compute_ms": percentiles_ms(seen.computed),
            "queue_and_compute_ms": percentiles_ms(total),
            "windows_in_a_batch": round(float(np.mean(seen.batches)), 1) if seen.batches else 0.0,
        }
        part.notes.add("loads", row)
        both = row["queue_and_compute_ms"]
        part.tell(
            f"{100 * share:.0f} % of the load: p99 of queue and compute "
            f"{'unknown' if both is None else format(both['p99'], '.1f')} ms, {seen.lost} lost"
        )


def _most(part: Part, detector: Detector) -> float:
    """Measures windows per second in the largest batch, from and to the CPU's memory."""
    batch = detector.spec.batch_buckets[-1]
    windows = _noise(detector, batch)
    lengths = np.full(batch, windows.shape[1], np.int64)
    spread = seconds_of(
        lambda: detector.score(windows, lengths),
        torch.device("cpu"),
        0.05 if part.quick else 0.5,
    )
    return batch / spread.median


def _noise(detector: Detector, count: int) -> Any:
    noise = np.random.default_rng(0).standard_normal((count, detector.spec.window_samples))
    return (0.1 * noise).astype(np.float32)


async def _load(detector: Detector, rate: float, seconds: float) -> _Seen:
    """Submits windows at random moments, at a given rate; streams have a hop of two seconds."""
    spec = detector.spec
    scheduler = Scheduler(
        detector,
        SchedulerOptions(window_samples=spec.window_samples, batch_buckets=spec.batch_buckets),
        Metrics(),
    )
    scheduler.start()
    lanes = [scheduler.open_lane() for _ in range(max(1, round(2.0 * rate)))]
    windows = _noise(detector, 16)
    seen = _Seen()
    waiting: list[asyncio.Future[Any]] = []
    gaps = np.random.default_rng(1).exponential(1.0 / rate, max(1, round(rate * seconds)))
    moment = time.monotonic()
    for number, gap in enumerate(gaps.tolist()):
        moment += gap
        left = moment - time.monotonic()
        if left > 0.0:
            await asyncio.sleep(left)
        elif number % 16 == 0:
            await asyncio.sleep(0)
        waiting.append(
            scheduler.submit(
                lanes[number % len(lanes)],
                windows[number % len(windows)],
                due_at=scheduler.clock() + _DEADLINE_SECONDS,
                kind=Kind.LIVE,
            )
        )
    for outcome in await asyncio.gather(*waiting):
        if outcome.status is WindowStatus.SCORED:
            seen.queued.append(outcome.queue_seconds)
            seen.computed.append(outcome.compute_seconds)
            seen.batches.append(outcome.batch_size)
        else:
            seen.lost += 1
    await scheduler.stop()
    return seen


if __name__ == "__main__":
    main()
