"""All that the daemon watches of its own work, put before a model."""

from collections.abc import Callable

from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.contract import ServedModel
from dfd.daemon.vitals.calibrate import calibrate
from dfd.daemon.vitals.capacity import Capacity
from dfd.daemon.vitals.observed import ObservedScheduler
from dfd.daemon.vitals.pulse import Pulse


class Vitals:
    """Pulse and capacity of one process; belongs to its event loop.

    Args:
        options: the deadline, and how streams are admitted.
        metrics: shown the age of the oldest window.
        capacity: fed with what passes.
        on_change: told that windows are judged again, or that they are not.
    """

    def __init__(
        self,
        options: ServeOptions,
        metrics: Metrics,
        capacity: Capacity,
        on_change: Callable[[bool], None],
    ) -> None:
        self._options = options
        self._metrics = metrics
        self._capacity = capacity
        self._on_change = on_change
        self._pulse: Pulse | None = None

    @property
    def watching(self) -> bool:
        """Whether there is, or was, a model."""
        return self._pulse is not None

    @property
    def well(self) -> bool:
        """Whether windows are judged, as far as is known."""
        return self._pulse is None or self._pulse.well

    async def watch(self, model: ServedModel) -> ServedModel:
        """Gives the model again, watched."""
        options, spec, capacity = self._options, model.spec, self._capacity
        observed = ObservedScheduler(model.scheduler)
        self._metrics.oldest_window_seconds.set_function(lambda: observed.oldest_seconds)
        pulse = Pulse(observed, spec.window_samples, options.deadline_seconds, self._on_change)
        capacity.measured = options.admission == "measured"
        if capacity.measured:
            await calibrate(model.scheduler, spec, capacity.rate, len(options.devices))
            observed.observers.append(capacity.observe)
            capacity.loop.start()
        self._pulse = pulse
        pulse.start()
        return ServedModel(spec, observed)

    async def stop(self) -> None:
        """Watches no longer."""
        if self._pulse is not None:
            await self._pulse.stop()
        await self._capacity.loop.stop()
