"""Admission: decided before any audio is read, and counted without leaks."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Protocol

import grpc

from dfd.daemon.errors import StatusError, draining
from dfd.daemon.metrics import Metrics


class Phase(Enum):
    """The phase of the daemon's life."""

    WARMING = "warming"
    SERVING = "serving"
    FAILING = "failing"
    DRAINING = "draining"


class StreamQuota(Protocol):
    """The slots of a daemon, which several processes may share."""

    @property
    def taken(self) -> int:
        """Slots in use."""

    def take(self, limit: int) -> bool:
        """Takes a slot; returns False if `limit` slots are taken already."""

    def leave(self) -> None:
        """Gives a slot back."""


class OwnQuota:
    """The slots of a daemon with a single process."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, limit: int) -> bool:
        """Takes a slot; returns False if `limit` slots are taken already."""
        if self.taken >= limit:
            return False
        self.taken += 1
        return True

    def leave(self) -> None:
        """Gives a slot back."""
        self.taken -= 1


class Admission:
    """Slots for streams and recordings; belongs to one event loop.

    Args:
        quota: counts the slots if other processes share them.
    """

    def __init__(
        self,
        max_streams: int,
        retry_seconds: float,
        metrics: Metrics,
        quota: StreamQuota | None = None,
    ) -> None:
        self.max_streams = max_streams
        self._quota = quota or OwnQuota()
        self.phase = Phase.WARMING
        self._retry_seconds = retry_seconds
        self._metrics = metrics
        self._active = 0
        self._empty = asyncio.Event()
        self.publish()

    @property
    def active(self) -> int:
        """Slots in use in this process."""
        return self._active

    @property
    def taken(self) -> int:
        """Slots in use in all processes."""
        return self._quota.taken

    def enter(self, phase: Phase) -> None:
        """Enters another phase."""
        self.phase = phase
        self._metrics.ready.set(phase is Phase.SERVING)
        self.publish()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Holds a slot.

        Raises:
            StatusError: with WARMING_UP, ENGINE_FAILING, SERVER_DRAINING or SERVER_FULL.
        """
        self.check()
        if not self._quota.take(self.max_streams):
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "SERVER_FULL",
                f"all {self.max_streams} streams of this server are in use; "
                "try again later or connect to another server",
                metadata={"max_streams": str(self.max_streams)},
                retry_seconds=self._retry_seconds,
            )
        self._active += 1
        self.publish()
        try:
            yield
        finally:
            self._active -= 1
            self._quota.leave()
            self.publish()

    def check(self) -> None:
        """Refuses while the daemon is not serving.

        Raises:
            StatusError: with WARMING_UP, ENGINE_FAILING or SERVER_DRAINING.
        """
        if self.phase is Phase.WARMING:
            raise StatusError(
                grpc.StatusCode.UNAVAILABLE,
                "WARMING_UP",
                "the model is still loading; try again, or wait until health says SERVING",
                retry_seconds=self._retry_seconds,
            )
        if self.phase is Phase.FAILING:
            raise StatusError(
                grpc.StatusCode.UNAVAILABLE,
                "ENGINE_FAILING",
                "the classifier is not scoring windows at present; try again later, or connect to "
                "another server",
                retry_seconds=self._retry_seconds,
            )
        if self.phase is Phase.DRAINING:
            raise draining(self._retry_seconds)

    async def until_empty(self, timeout_seconds: float) -> bool:
        """Waits until no slot is in use; returns False if the time was up first."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def publish(self) -> None:
        """Updates the metrics."""
        if self._active:
            self._empty.clear()
        else:
            self._empty.set()
        self._metrics.slots_max.set(self.max_streams)
        self._metrics.streams_active.set(self._active)
        free = self.max_streams - self._quota.taken if self.phase is Phase.SERVING else 0
        self._metrics.slots_free.set(free)
