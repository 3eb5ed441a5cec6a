"""Models in this process, each with its device thread and scheduler."""

import asyncio
import logging
from collections.abc import Callable

from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.contract import ServedModel
from dfd.daemon.scheduling.device import DeviceThread
from dfd.daemon.scheduling.scheduler import Scheduler, SchedulerOptions
from dfd.detector.spec import LoadedModel

_DEVICE_JOIN_SECONDS = 1.0

Loader = Callable[[ServeOptions], LoadedModel]


class LocalModel:
    """Loads a model and schedules its windows.

    Args:
        load: creates the warm classifier, in the device's own thread.
        on_hung: called when the model hangs; by default it is reloaded.
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

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler; available once the model is warm."""
        assert self._scheduler is not None
        return self._scheduler

    async def start(self) -> ServedModel:
        """Loads the model and starts the scheduler.

        Raises:
            UserError: if there is no such model or device.
        """
        options = self._options
        detector = await self._device.run(lambda: self._load(options))
        spec = detector.spec
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
        device = DeviceThread()
        try:
            detector = await device.run(lambda: self._load(self._options))
        except Exception:
            log(logging.ERROR, "the model could not be reloaded", exc_info=True)
            device.close()
            return
        self._metrics.scheduler_restarts.inc()
        self._device = device
        self.scheduler.go_on_with(detector, device)
        log(logging.WARNING, "model reloaded")

    async def stop(self) -> bool:
        """Stops both; returns False if the device is still busy and cannot be stopped."""
        if self._reloading is not None:
            self._reloading.cancel()
        if self._scheduler is not None:
            await self._scheduler.stop()
        self._device.close()
        return await asyncio.to_thread(self._device.join, _DEVICE_JOIN_SECONDS)


class LocalModels:
    """All models of a daemon of one process, each with a thread and batches of its own."""

    def __init__(self, options: ServeOptions, metrics: Metrics, load: Loader) -> None:
        self._models = [LocalModel(options.of(model), metrics, load) for model in options.models]

    async def start(self) -> list[ServedModel]:
        """Loads one after the other: together they would only be in each other's way.

        Raises:
            UserError: if there is no such model or device.
        """
        return [await model.start() for model in self._models]

    async def stop(self) -> bool:
        """Ends all; False where a device is still busy and cannot be stopped."""
        return all(await asyncio.gather(*(model.stop() for model in self._models)))
