"""A scheduler that reports the outcome of each window, wherever the model is."""

import asyncio
from collections.abc import Callable

from dfd.daemon.scheduling.batching import Kind, Lane, Outcome
from dfd.daemon.scheduling.contract import WindowScheduler
from dfd.streaming.types import Samples

Observer = Callable[[Kind, Outcome], None]


class ObservedScheduler:
    """Forwards everything to another scheduler; belongs to one event loop.

    Attributes:
        observers: called with each resolved window.
    """

    def __init__(self, scheduler: WindowScheduler) -> None:
        self._scheduler = scheduler
        self._live: dict[asyncio.Future[Outcome], float] = {}
        self.observers: list[Observer] = []

    @property
    def clock(self) -> Callable[[], float]:
        """A monotonic clock in seconds, the same for every process on this machine."""
        return self._scheduler.clock

    @property
    def oldest_seconds(self) -> float:
        """Returns how long the oldest live window has waited; 0 if none is waiting."""
        began = next(iter(self._live.values()), None)
        return 0.0 if began is None else self.clock() - began

    def open_lane(self) -> Lane:
        """Opens a lane for a stream."""
        return self._scheduler.open_lane()

    def close_lane(self, lane: Lane) -> None:
        """Closes a stream's lane; its waiting windows are never run."""
        self._scheduler.close_lane(lane)

    def cancel_lane(self, lane: Lane) -> None:
        """Sheds a stream's waiting and running windows."""
        self._scheduler.cancel_lane(lane)

    def submit(
        self, lane: Lane, samples: Samples, *, due_at: float, kind: Kind, channel: int = 0
    ) -> asyncio.Future[Outcome]:
        """Queues a window, as described at `WindowScheduler`."""
        future = self._scheduler.submit(lane, samples, due_at=due_at, kind=kind, channel=channel)
        if kind is Kind.LIVE:
            self._live[future] = self.clock()

        def done(future: asyncio.Future[Outcome]) -> None:
            self._live.pop(future, None)
            if not future.cancelled() and future.exception() is None:
                for observe in self.observers:
                    observe(kind, future.result())

        future.add_done_callback(done)
        return future
