"""Whether windows come back scored and in time, on which health and readiness depend.

A window that fails may be at fault itself, and one that waits may be waiting for others. Doubt is
settled by a probe window of the daemon's own: if it comes back scored and in time, all is well.
"""

import asyncio
from collections.abc import Callable

import numpy as np

from dfd.daemon import background
from dfd.daemon.scheduling.batching import Kind, Lane, Outcome
from dfd.daemon.vitals.observed import ObservedScheduler
from dfd.streaming.types import WindowStatus

# In parts of a window's deadline: how often to check, how long a live window may wait before there
# is doubt, and how long the probe window may take. Together less than two deadlines.
_TICK, _DOUBT, _PATIENCE = 0.1, 0.6, 1.0


class Pulse:
    """Checks whether windows are being scored; belongs to one event loop.

    Args:
        scheduler: the scheduler that the windows of all streams pass through.
        window_samples: window length of the classifier.
        deadline_seconds: deadline of a live window.
        on_change: called with whether windows are being scored, when that changes.

    Attributes:
        well: whether windows come back scored.
    """

    def __init__(
        self,
        scheduler: ObservedScheduler,
        window_samples: int,
        deadline_seconds: float,
        on_change: Callable[[bool], None],
    ) -> None:
        self._scheduler = scheduler
        self._deadline_seconds = deadline_seconds
        self._on_change = on_change
        noise = np.random.default_rng(0).normal(0.0, 0.05, window_samples)
        self._samples = noise.astype(np.float32)
        self._in_doubt = False
        self._trial: tuple[asyncio.Future[Outcome], Lane, float] | None = None
        self._task: asyncio.Task[None] | None = None
        self.well = True
        scheduler.observers.append(self._observe)

    def start(self) -> None:
        """Starts checking."""
        self._task = asyncio.create_task(self._run(), name="dfd-pulse")

    async def stop(self) -> None:
        """Stops checking."""
        await background.end(self._task)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_TICK * self._deadline_seconds)
            self.look()

    def look(self) -> None:
        """Sends a probe window if there is doubt, and reports its outcome."""
        if self._trial is not None:
            future, lane, began = self._trial
            if future.done():
                self._trial = None
                self._scheduler.close_lane(lane)
                status = future.result().status
                if status is not WindowStatus.SHED:
                    self._judge(status is WindowStatus.SCORED)
            elif self._scheduler.clock() - began > _PATIENCE * self._deadline_seconds:
                self._judge(False)
        waiting = self._scheduler.oldest_seconds > _DOUBT * self._deadline_seconds
        if self._trial is None and (self._in_doubt or waiting or not self.well):
            self._in_doubt = False
            self._try()

    def _try(self) -> None:
        lane, now = self._scheduler.open_lane(), self._scheduler.clock()
        # due at once, so it runs before all that are waiting
        future = self._scheduler.submit(lane, self._samples, due_at=now, kind=Kind.PATIENT)
        self._trial = (future, lane, now)

    def _judge(self, well: bool) -> None:
        if well is not self.well:
            self.well = well
            self._on_change(well)

    def _observe(self, _: Kind, outcome: Outcome) -> None:
        self._in_doubt = self._in_doubt or outcome.status is WindowStatus.FAILED
