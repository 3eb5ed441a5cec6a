"""Models in this process, each with its device thread and scheduler."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.batching import SchedulerOptions
from dfd.daemon.scheduling.contract import ServedModel
from dfd.daemon.scheduling.device import DeviceThread
from dfd.daemon.scheduling.model_slots import (
    NOTHING_BEFORE,
    NOTHING_LOADED,
    Loaded,
    Loader,
    ModelSlots,
    load_beside,
)
from dfd.daemon.scheduling.scheduler import Scheduler
from dfd.detector.spec import ModelSpec
from dfd.errors import UserError

_DEVICE_JOIN_SECONDS = 1.0


class LocalModel:
    """Loads a model, schedules its windows, and replaces it while they are scored.

    Each of `try_load`, `try_activate` and `try_roll_back` is followed by `keep` or `undo`: until
    then everything that was warm before stays so.

    Args:
        load: creates the warm classifier, in the device's own thread.
        on_hung: called when the model hangs; by default it is reloaded.

    Attributes:
        on_change: as described at `Replaceable`.
    """

    def __init__(
        self,
        options: ServeOptions,
        metrics: Metrics,
        load: Loader,
        on_hung: Callable[[], None] | None = None,
    ) -> None:
        self._options = options
        self._metrics = metrics
        self._load = load
        self._device = DeviceThread()
        self._on_hung = on_hung or self._reload_soon
        self._reloading: asyncio.Task[None] | None = None
        self._scheduler: Scheduler | None = None
        self._slots: ModelSlots | None = None
        self._before: ModelSlots | None = None
        self.on_change: Callable[[ModelSpec], None] = lambda _: None

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler; available once the model is warm."""
        assert self._scheduler is not None
        return self._scheduler

    @property
    def _now(self) -> ModelSlots:
        assert self._slots is not None
        return self._slots

    async def start(self) -> ServedModel:
        """Loads the model and starts the scheduler.

        Raises:
            UserError: if there is no such model or device.
        """
        options = self._options
        detector = await self._device.run(lambda: self._load(options))
        spec = detector.spec
        self._slots = ModelSlots(Loaded(detector, self._device, options))
        self._scheduler = scheduler = Scheduler(
            detector,
            SchedulerOptions(
                window_samples=spec.window_samples,
                batch_buckets=spec.batch_buckets,
                max_queue_delay_seconds=options.max_queue_delay_seconds,
                queue_limit=options.queue_limit,
                batch_timeout_seconds=options.batch_timeout_seconds,
            ),
            self._metrics,
            self._device,
            on_hung=self._on_hung,
        )
        scheduler.start()
        return ServedModel(spec, scheduler)

    def _reload_soon(self) -> None:
        self._reloading = asyncio.create_task(self._reload(), name="dfd-reload")

    async def _reload(self) -> None:
        """Reloads the model in another thread, since the old one cannot be stopped."""
        device, hung = DeviceThread(), self._now.active
        try:
            detector = await device.run(lambda: self._load(hung.options.beside_streams))
        except Exception as error:
            why = {"why": str(error)} if isinstance(error, UserError) else {"exc_info": error}
            log(logging.ERROR, "the model could not be reloaded", **why)
            device.close()
            return
        if self._now.active is not hung:  # another model took its place meanwhile
            device.close()
            return
        self._metrics.scheduler_restarts.inc()
        self.scheduler.switch_to(detector, device).close()
        self._slots = replace(self._now, active=Loaded(detector, device, hung.options))
        log(logging.WARNING, "model reloaded")

    @property
    def active(self) -> ModelSpec:
        """The model that scores windows."""
        return self._now.active.detector.spec

    @property
    def waiting(self) -> ModelSpec | None:
        """The model that `activate` would switch to."""
        return None if self._now.waiting is None else self._now.waiting.detector.spec

    @property
    def previous(self) -> ModelSpec | None:
        """The model that `roll_back` would switch to."""
        return None if self._now.previous is None else self._now.previous.detector.spec

    async def load(self, source: str) -> ModelSpec:
        """Loads another model beside this one, as described at `Replaceable`."""
        await self.try_load(source)
        self.keep()
        assert self.waiting is not None
        return self.waiting

    async def activate(self) -> ModelSpec:
        """Switches to the model that was loaded, as described at `Replaceable`."""
        self.try_activate()
        return self._kept_change()

    async def roll_back(self) -> ModelSpec:
        """Switches back to the previous model, as described at `Replaceable`."""
        self.try_roll_back()
        return self._kept_change()

    def _kept_change(self) -> ModelSpec:
        self.keep()
        self.on_change(self.active)
        return self.active

    async def try_load(self, source: str) -> None:
        """Loads another model beside this one.

        It must take windows of the same length, so that running streams can continue with it.

        Args:
            source: what `--model` takes.

        Raises:
            UserError: if there is no such model, it takes other windows, or gives no finite score.
        """
        loaded = await self._load_beside(source)
        self._change(replace(self._now, waiting=loaded))

    def try_activate(self) -> None:
        """Switches to the model that was loaded, from the next batch on.

        Raises:
            UserError: if none was loaded.
        """
        now = self._now
        if now.waiting is None:
            raise UserError(NOTHING_LOADED)
        self._change(ModelSlots(now.waiting, None, now.active))

    def try_roll_back(self) -> None:
        """Switches back to the previous model; the one that it replaces can be activated again.

        Raises:
            UserError: if there was none.
        """
        now = self._now
        if now.previous is None:
            raise UserError(NOTHING_BEFORE)
        self._change(ModelSlots(now.previous, now.active, None))

    async def restore(self, waiting: str | None, previous: str | None) -> None:
        """Loads what lay beside the model in a process that this one takes the place of.

        Raises:
            UserError: as `try_load`.
        """
        if previous is not None:
            self._slots = replace(self._now, previous=await self._load_beside(previous))
        if waiting is not None:
            self._slots = replace(self._now, waiting=await self._load_beside(waiting))

    def keep(self) -> None:
        """Confirms the last change, and releases the model that it made needless."""
        if self._before is not None:
            self._release(self._before, self._now)
            self._before = None

    def undo(self) -> None:
        """Takes the last change back, unless it was confirmed."""
        if self._before is not None:
            tried, self._slots, self._before = self._now, self._before, None
            self._switch(tried.active, self._slots.active)
            self._release(tried, self._slots)

    def _change(self, to: ModelSlots) -> None:
        self.keep()
        self._before, self._slots = self._now, to
        self._switch(self._before.active, to.active)

    def _switch(self, old: Loaded, new: Loaded) -> None:
        if new is not old:
            buckets = new.detector.spec.batch_buckets
            # another thread may have taken the place of one that hung
            old.device = self.scheduler.switch_to(new.detector, new.device, buckets)

    @staticmethod
    def _release(old: ModelSlots, new: ModelSlots) -> None:
        """Closes the models that are no longer among those to be kept warm."""
        for one in old.all:
            if all(one is not other for other in new.all):
                one.device.close()

    async def _load_beside(self, source: str) -> Loaded:
        return await load_beside(self._now.active, source, self._load)

    async def stop(self) -> bool:
        """Stops everything; returns False if the device is busy and cannot be stopped."""
        if self._reloading is not None:
            self._reloading.cancel()
        self.keep()
        device = self._device
        if self._slots is not None:
            device = self._slots.active.device
            for one in self._slots.all:
                if one is not self._slots.active:
                    one.device.close()
        if self._scheduler is not None:
            await self._scheduler.stop()
        device.close()
        return await asyncio.to_thread(device.join, _DEVICE_JOIN_SECONDS)


class LocalModels:
    """All models of a single-process daemon, each with its own thread and batches."""

    def __init__(self, options: ServeOptions, metrics: Metrics, load: Loader) -> None:
        self.replaceables = [
            LocalModel(options.of(model), metrics, load) for model in options.models
        ]

    async def start(self) -> list[ServedModel]:
        """Loads one after another, since together they would only slow each other down.

        Raises:
            UserError: if there is no such model or device.
        """
        return [await model.start() for model in self.replaceables]

    async def stop(self) -> bool:
        """Stops all; returns False if a device is still busy and cannot be stopped."""
        return all(await asyncio.gather(*(model.stop() for model in self.replaceables)))
