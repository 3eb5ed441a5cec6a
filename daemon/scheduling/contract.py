"""What streams need of a model, wherever it runs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dfd.daemon.scheduling.batching import Kind, Lane, Outcome
from dfd.detector.spec import ModelSpec
from dfd.streaming.types import Samples


class WindowScheduler(Protocol):
    """Takes the windows of all streams; belongs to one event loop."""

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds, monotonic, the same for every process of this machine."""

    def open_lane(self) -> Lane:
        """Announces a stream."""

    def close_lane(self, lane: Lane) -> None:
        """Forgets a stream; what it still has waiting is never run."""

    def cancel_lane(self, lane: Lane) -> None:
        """Sheds what a stream has waiting or running."""

    def submit(
        self, lane: Lane, samples: Samples, *, due_at: float, kind: Kind, channel: int = 0
    ) -> asyncio.Future[Outcome]:
        """Queues a window.

        Args:
            lane: of the window's stream.
            samples: at most the classifier's window.
            due_at: its turn, on `clock`, and when a live one is too late.
            kind: whether it may be shed, and how soon.
            channel: of its stream; a window makes the early ones before it needless.
        """


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """A warm model and the scheduler before it.

    Attributes:
        well: whether its windows are judged, as far as is known.
        seconds_each: what a window takes of the devices; None before it is known.
        members: the models that it is made of; none where it is one itself.
    """

    spec: ModelSpec
    scheduler: WindowScheduler
    well: Callable[[], bool] = lambda: True
    seconds_each: Callable[[], float | None] = lambda: None
    members: tuple["ServedModel", ...] = ()


class ModelSource(Protocol):
    """Where a server has its models from."""

    async def start(self) -> list[ServedModel]:
        """Waits until all models are warm; gives them in the order of the options.

        Raises:
            UserError: if there is no such model or device.
        """

    async def stop(self) -> bool:
        """Lets go of the models; False where a device is still busy and cannot be stopped."""
