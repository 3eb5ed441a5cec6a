"""Whether windows come back judged, and in time: what health and readiness follow.

A window that fails may be at fault itself, and one that waits may wait for others. So doubt is
settled by a window of the daemon's own: where that comes back scored and in time, all is well.
"""

import asyncio
import contextlib
from collections.abc import Callable

import numpy as np

from dfd.daemon.scheduling.batching import Kind, Lane, Outcome
from dfd.daemon.vitals.observed import ObservedScheduler
from dfd.streaming.types import WindowStatus

# In parts of the deadline of a window: how often is looked, after how long a live window that
# waits is in doubt, and how long the daemon's own may take. Together less than two deadlines.
_TICK, _DOUBT, _PATIENCE = 0.1, 0.6, 1.0


class Pulse:
    """Feels it; belongs to one event loop.

    Args:
        scheduler: what the windows of all streams pass.
        window_samples: of the classifier.
        deadline_seconds: of a live window.
        on_change: told that windows are judged again, or that they are not.

    Attributes:
        well: whether windows come back judged.
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
        """Begins to look."""
        self._task = asyncio.create_task(self._run(), name="dfd-pulse")

    async def stop(self) -> None:
        """Looks no longer."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_TICK * self._deadline_seconds)
            self.look()

    def look(self) -> None:
        """Tries a window of its own where there is doubt, and says what became of it."""
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
        # due at once, so it goes before all that wait
        future = self._scheduler.submit(lane, self._samples, due_at=now, kind=Kind.PATIENT)
        self._trial = (future, lane, now)

    def _judge(self, well: bool) -> None:
        if well is not self.well:
            self.well = well
            self._on_change(well)

    def _observe(self, _: Kind, outcome: Outcome) -> None:
        self._in_doubt = self._in_doubt or outcome.status is WindowStatus.FAILED
