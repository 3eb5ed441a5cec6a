"""A worker: one server of the port, with its own sessions; the model is in other processes."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable

from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.multiprocess.channel import ControlChannel
from dfd.daemon.multiprocess.control import (
    Bound,
    Connect,
    Drain,
    Ended,
    Figures,
    Gone,
    Managed,
    Report,
    Reread,
    Serving,
    Show,
    Shown,
    Standing,
    Stop,
)
from dfd.daemon.multiprocess.ledger import SharedLedger
from dfd.daemon.multiprocess.memory import SharedCounts, WindowSlots
from dfd.daemon.multiprocess.merge import snapshot
from dfd.daemon.multiprocess.remote import RemoteScheduler
from dfd.daemon.multiprocess.replaced import RemoteModel
from dfd.daemon.multiprocess.siblings import Siblings
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.contract import ServedModel
from dfd.daemon.scheduling.garbage import settle_memory
from dfd.daemon.server import LAST_WORDS_SECONDS, Server, Shared
from dfd.detector.spec import ModelSpec
from dfd.errors import UserError


class SharedQuota:
    """The slots of the whole daemon, as used by one worker."""

    def __init__(self, counts: SharedCounts, worker: int) -> None:
        self._counts = counts
        self._worker = worker

    @property
    def taken(self) -> int:
        """Slots in use."""
        return self._counts.streams

    def take(self, limit: int) -> bool:
        """Takes a slot; returns False if `limit` slots are taken already."""
        return self._counts.acquire_stream(self._worker, limit)

    def leave(self) -> None:
        """Gives a slot back."""
        self._counts.release_stream(self._worker)


class Instances:
    """The instances of all models, as a server's source of models.

    Args:
        models: how many there are.
        schedule: makes the scheduler of a model, before its first instance.
        control: to the supervisor, which replaces models.

    Attributes:
        replaceables: the models as replaceable ones, in their order.
    """

    def __init__(
        self,
        models: int,
        schedule: Callable[[WindowSlots], RemoteScheduler],
        control: ControlChannel,
    ) -> None:
        self._schedule = schedule
        self.replaceables = [RemoteModel(number, control) for number in range(models)]
        loop = asyncio.get_running_loop()
        self._met: list[asyncio.Future[ServedModel]] = [loop.create_future() for _ in range(models)]
        self._schedulers: dict[int, RemoteScheduler] = {}

    async def start(self) -> list[ServedModel]:
        """Waits for an instance of each model."""
        # no limit: loading may fetch a model; without one the supervisor gives up and ends all
        return list(await asyncio.gather(*self._met))

    async def stop(self) -> bool:
        """Disconnects all instances."""
        for scheduler in self._schedulers.values():
            scheduler.stop()
        return True

    @property
    def reachable(self) -> bool:
        """Whether there is any instance."""
        return any(scheduler.reachable for scheduler in self._schedulers.values())

    async def connect(
        self, model: int, instance: int, spec: ModelSpec, link: socket.socket, memory: int
    ) -> None:
        """Connects to a new instance.

        Args:
            model: its model, by its number.
            instance: its own number.
            spec: of the model.
            link: to the instance.
            memory: descriptor of the slots that this worker has for windows of the model.
        """
        scheduler = self._schedulers.get(model)
        if scheduler is None:
            scheduler = self._schedule(WindowSlots(memory, spec.window_samples))
            self._schedulers[model] = scheduler
        await scheduler.connect(instance, link)
        if not self._met[model].done():
            self._met[model].set_result(ServedModel(spec, scheduler, lambda: scheduler.reachable))


class Worker:
    """Serves until the supervisor tells it to stop."""

    def __init__(
        self,
        options: ServeOptions,
        index: int,
        counts: SharedCounts,
        ledger: SharedLedger,
        control: ControlChannel,
    ) -> None:
        self._options = options
        self._index = index
        self._counts = counts
        self._control = control
        self._metrics = Metrics()
        self._instances = Instances(len(options.models), self._schedule, control)
        self._server = Server(
            options,
            shared=Shared(self._instances, SharedQuota(counts, index), ledger, self._metrics),
        )
        self._siblings = Siblings(index, self._server.runtime.roster, control)
        self._warming: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._drained: bool = True

    async def run(self) -> Ended:
        """Serves until told to stop or to drain, or until the supervisor is gone."""
        try:
            await self._server.bind()
        except UserError as error:
            return Ended(drained=False, mistake=str(error))
        try:
            self._warming = asyncio.create_task(self._warm())
            self._control.send(Bound())
            while (got := await self._control.receive()) is not None:
                message, descriptors = got
                if isinstance(message, Connect):
                    await self._connect(message, *descriptors)
                elif isinstance(message, Standing):
                    self._instances.replaceables[message.model].stands(message)
                elif isinstance(message, Managed):
                    self._instances.replaceables[message.model].managed(message)
                elif isinstance(message, Report):
                    self._server.runtime.admission.publish()
                    self._control.send(Figures(message.number, snapshot(self._metrics.registry)))
                elif isinstance(message, Show):
                    self._siblings.show(message.shown)
                elif isinstance(message, Shown):
                    self._siblings.shown(message)
                elif isinstance(message, Gone):
                    self._siblings.gone(message.worker)
                elif isinstance(message, Reread):
                    self._server.reread()
                elif isinstance(message, Drain):
                    self._draining = asyncio.create_task(self._drain())
                elif isinstance(message, Stop):
                    break
        finally:
            for task in (self._warming, self._draining):
                if task is not None:
                    task.cancel()
            await self._siblings.close()
            busy = self._server.runtime.admission.active > 0
            await self._server.stop(0.0 if busy else LAST_WORDS_SECONDS)
        return Ended(drained=self._drained and not busy)

    async def _warm(self) -> None:
        self._server.readiness.on_serving = lambda serving: self._control.send(Serving(serving))
        await self._server.warm()
        settle_memory()

    async def _drain(self) -> None:
        self._drained = await self._server.drain()
        log(logging.INFO, "drained" if self._drained else "ended with streams running")
        self._control.send(Ended(self._drained))

    async def _connect(self, message: Connect, connection: int, memory: int) -> None:
        model = message.index // len(self._options.devices)
        link = socket.socket(fileno=connection)
        await self._instances.connect(model, message.index, message.spec, link, memory)
        os.close(memory)

    def _schedule(self, slots: WindowSlots) -> RemoteScheduler:
        return RemoteScheduler(
            self._index,
            slots,
            self._counts,
            self._metrics,
            self._options.queue_limit,
            self._instances_changed,
        )

    def _instances_changed(self, _: int) -> None:
        """Accepts streams while there is an instance for any model."""
        if self._warming is None or not self._warming.done():
            return
        if not self._instances.reachable:
            log(logging.WARNING, "no instance is left; no streams are accepted until one is back")
            self._server.pause()
        else:
            self._server.resume()


async def run_worker(
    options: ServeOptions,
    index: int,
    counts: SharedCounts,
    ledger: SharedLedger,
    control: ControlChannel,
) -> Ended:
    """Runs as a worker process until it is told to stop or the supervisor is gone."""
    try:
        worker = Worker(options, index, counts, ledger, control)
    except UserError as error:
        return Ended(drained=False, mistake=str(error))
    return await worker.run()
