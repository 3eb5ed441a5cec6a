"""An engine in this process: a model, its device's thread and the scheduler before them."""

import asyncio
from collections.abc import Callable

from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.contract import Engine
from dfd.daemon.scheduling.device import DeviceThread
from dfd.daemon.scheduling.scheduler import Scheduler, SchedulerOptions
from dfd.detector.spec import LoadedModel

_DEVICE_JOIN_SECONDS = 1.0

Loader = Callable[[ServeOptions], LoadedModel]


class LocalEngine:
    """Loads a model and schedules its windows.

    Args:
        load: makes the warm classifier, in the device's own thread.
    """

    def __init__(self, options: ServeOptions, metrics: Metrics, load: Loader) -> None:
        self._options = options
        self._metrics = metrics
        self._load = load
        self._device = DeviceThread()
        self._scheduler: Scheduler | None = None

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler, once the model is warm."""
        assert self._scheduler is not None
        return self._scheduler

    async def start(self) -> Engine:
        """Loads the model and starts the scheduler.

        Raises:
            UserError: there is no such model or device.
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
        )
        scheduler.start()
        return Engine(spec, scheduler)

    async def stop(self) -> bool:
        """Ends both; False where the device is still busy and cannot be stopped."""
        if self._scheduler is not None:
            await self._scheduler.stop()
        self._device.close()
        return await asyncio.to_thread(self._device.join, _DEVICE_JOIN_SECONDS)
