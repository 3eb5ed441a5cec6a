"""The interface of a model for streams, wherever it runs."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dfd.daemon.scheduling.batching import Kind, Lane, Outcome
from dfd.detector.spec import ModelSpec
from dfd.streaming.types import Samples


class WindowScheduler(Protocol):
    """Schedules the windows of all streams; belongs to one event loop."""

    @property
    def clock(self) -> Callable[[], float]:
        """A monotonic clock in seconds, the same for every process on this machine."""

    def open_lane(self) -> Lane:
        """Opens a lane for a stream."""

    def close_lane(self, lane: Lane) -> None:
        """Closes a stream's lane; its waiting windows are never run."""

    def cancel_lane(self, lane: Lane) -> None:
        """Sheds a stream's waiting and running windows."""

    def submit(
        self, lane: Lane, samples: Samples, *, due_at: float, kind: Kind, channel: int = 0
    ) -> asyncio.Future[Outcome]:
        """Queues a window.

        Args:
            lane: lane of the window's stream.
            samples: its audio, at most as long as the classifier's window.
            due_at: its due time on `clock`, after which a live window is too late.
            kind: whether it may be shed, and how soon.
            channel: channel of its stream; a window supersedes EARLY ones before it.
        """


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """A warm model and its scheduler.

    Attributes:
        well: returns whether its windows are being scored, as far as is known.
        seconds_each: returns the device time of a window; None before it is known.
        members: the models of a combination; empty for a single model.
    """

    spec: ModelSpec
    scheduler: WindowScheduler
    well: Callable[[], bool] = lambda: True
    seconds_each: Callable[[], float | None] = lambda: None
    members: tuple["ServedModel", ...] = ()


class Replaceable(Protocol):
    """A model that can be replaced while streams run.

    Attributes:
        on_change: called with the model that scores windows from now on, whenever that changes.
    """

    on_change: Callable[[ModelSpec], None]

    @property
    def active(self) -> ModelSpec:
        """The model that scores windows."""

    @property
    def waiting(self) -> ModelSpec | None:
        """The model that `activate` would switch to."""

    @property
    def previous(self) -> ModelSpec | None:
        """The model that `roll_back` would switch to."""

    async def load(self, source: str) -> ModelSpec:
        """Loads another model beside this one, and returns it.

        Raises:
            UserError: if it cannot replace this one; nothing is changed then.
        """

    async def activate(self) -> ModelSpec:
        """Switches to the model that was loaded, from the next batch on, and returns it.

        Raises:
            UserError: if none was loaded.
        """

    async def roll_back(self) -> ModelSpec:
        """Switches back to the previous model, and returns it.

        The one that it replaces can be activated again.

        Raises:
            UserError: if there was none.
        """


class ModelSource(Protocol):
    """Where a server gets its models from."""

    @property
    def replaceables(self) -> Sequence[Replaceable]:
        """Its models as replaceable ones, in their order."""

    async def start(self) -> list[ServedModel]:
        """Waits until all models are warm; returns them in the order of the options.

        Raises:
            UserError: if there is no such model or device.
        """

    async def stop(self) -> bool:
        """Releases the models; returns False if a device is still busy and cannot be stopped."""
