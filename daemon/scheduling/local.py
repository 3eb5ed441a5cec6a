"""Models in this process, each with its device thread and scheduler."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.contract import ServedModel
from dfd.daemon.scheduling.device import DeviceThread
from dfd.daemon.scheduling.scheduler import Scheduler, SchedulerOptions
from dfd.detector.spec import LoadedModel, ModelSpec
from dfd.errors import UserError

_DEVICE_JOIN_SECONDS = 1.0

Loader = Callable[[ServeOptions], LoadedModel]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A warm model, the thread that loaded it, and the options that it was loaded with."""

    detector: LoadedModel
    device: DeviceThread
    options: ServeOptions


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
        self._current: _Loaded | None = None
        self._waiting: _Loaded | None = None
        self._previous: _Loaded | None = None

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
        self._current = _Loaded(detector, self._device, options)
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
        self.scheduler.switch_to(detector, device).close()
        self._current = _Loaded(detector, device, self._options)
        log(logging.WARNING, "model reloaded")

    async def load(self, source: str) -> ModelSpec:
        """Loads another model beside this one, to be activated later.

        It must take windows of the same length, so that running streams can continue with it.

        Args:
            source: what `--model` takes.

        Raises:
            UserError: if there is no such model, it takes other windows, or gives no finite score.
        """
        assert self._current is not None
        spec = self._current.detector.spec
        rate = spec.sample_rate_hz
        options = replace(
            self._options,
            model=source,
            window_seconds=spec.window_samples / rate,
            hop_seconds=spec.hop_samples / rate,
        )
        device = DeviceThread()
        try:
            detector = await device.run(lambda: self._load(options))
            _check_fits(detector, spec)
            noise = np.random.default_rng(0).normal(0.0, 0.05, (1, spec.window_samples))
            window, length = noise.astype(np.float32), np.array([spec.window_samples])
            llrs = await device.run(lambda: detector.score(window, length))
            if not np.isfinite(llrs).all():
                raise UserError(f"{source} gives no finite score: it is broken, load another")
        except BaseException:
            device.close()
            raise
        self._let_go(self._waiting)
        self._waiting = _Loaded(detector, device, options)
        return detector.spec

    def activate(self) -> ModelSpec:
        """Switches to the model that was loaded, from the next batch on.

        Raises:
            UserError: if none was loaded.
        """
        if self._waiting is None:
            raise UserError("no model is loaded: load one first, with dfd models load")
        self._let_go(self._previous)
        new, self._waiting = self._waiting, None
        self._previous = self._switch_to(new)
        return new.detector.spec

    def roll_back(self) -> ModelSpec:
        """Switches back to the previous model; the one that it replaces can be activated again.

        Raises:
            UserError: if there was none.
        """
        if self._previous is None:
            raise UserError("there is no model to go back to: none was activated since the start")
        self._let_go(self._waiting)
        old, self._previous = self._previous, None
        self._waiting = self._switch_to(old)
        return old.detector.spec

    @property
    def waiting(self) -> ModelSpec | None:
        """The model that `activate` would switch to."""
        return None if self._waiting is None else self._waiting.detector.spec

    @property
    def previous(self) -> ModelSpec | None:
        """The model that `roll_back` would switch to."""
        return None if self._previous is None else self._previous.detector.spec

    def _switch_to(self, new: _Loaded) -> _Loaded:
        """Returns the previous one, which stays warm."""
        assert self._current is not None
        old, self._current = self._current, new
        self._options, self._device = new.options, new.device
        buckets = new.detector.spec.batch_buckets
        # another thread may have taken the place of one that hung
        device = self.scheduler.switch_to(new.detector, new.device, buckets)
        return replace(old, device=device)

    def _let_go(self, loaded: _Loaded | None) -> None:
        if loaded is not None:
            loaded.device.close()

    async def stop(self) -> bool:
        """Stops both; returns False if the device is still busy and cannot be stopped."""
        if self._reloading is not None:
            self._reloading.cancel()
        self._let_go(self._waiting)
        self._let_go(self._previous)
        if self._scheduler is not None:
            await self._scheduler.stop()
        self._device.close()
        return await asyncio.to_thread(self._device.join, _DEVICE_JOIN_SECONDS)


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


def _check_fits(detector: LoadedModel, spec: ModelSpec) -> None:
    """Checks that a model can replace another.

    Raises:
        UserError: if it takes other windows.
    """
    new = detector.spec
    if (new.sample_rate_hz, new.window_samples) != (spec.sample_rate_hz, spec.window_samples):
        raise UserError(
            f"{new.name} hears {new.window_samples} samples at {new.sample_rate_hz} Hz, and streams"
            f" are cut for {spec.window_samples} at {spec.sample_rate_hz} Hz: restart with it"
        )
