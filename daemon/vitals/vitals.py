"""Everything that the daemon measures of its own work, placed in front of a model."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.contract import ServedModel
from dfd.daemon.vitals.calibrate import calibrate
from dfd.daemon.vitals.capacity import Capacity
from dfd.daemon.vitals.observed import ObservedScheduler
from dfd.daemon.vitals.pulse import Pulse
from dfd.daemon.vitals.rate import ServiceRate


class Vitals:
    """Pulse and capacity of one process; belongs to its event loop.

    Args:
        options: the deadline, and how streams are admitted.
        metrics: shown the age of the oldest window.
        capacity: fed with what passes.
        on_change: told of a model that its windows are judged again, or that they are not.
    """

    def __init__(
        self,
        options: ServeOptions,
        metrics: Metrics,
        capacity: Capacity,
        on_change: Callable[[ServedModel, bool], None],
    ) -> None:
        self._options = options
        self._metrics = metrics
        self._capacity = capacity
        self._on_change = on_change
        self._pulses: list[Pulse] = []
        self._observed: list[ObservedScheduler] = []

    @property
    def watching(self) -> bool:
        """Whether there are, or were, models."""
        return bool(self._pulses)

    @property
    def well(self) -> bool:
        """Whether any model judges windows, as far as is known."""
        return not self._pulses or any(pulse.well for pulse in self._pulses)

    async def watch(self, models: Sequence[ServedModel]) -> list[ServedModel]:
        """Gives the models again, watched."""
        self._metrics.oldest_window_seconds.set_function(
            lambda: max((one.oldest_seconds for one in self._observed), default=0.0)
        )
        self._capacity.measured = self._options.admission == "measured"
        watched = [await self._watch(model) for model in models]
        if self._capacity.measured:
            self._capacity.loop.start()
        for pulse in self._pulses:
            pulse.start()
        return watched

    async def _watch(self, model: ServedModel) -> ServedModel:
        options, spec, capacity = self._options, model.spec, self._capacity
        observed, rate = ObservedScheduler(model.scheduler), ServiceRate(len(options.devices))
        if capacity.measured:
            await calibrate(
                model.scheduler, spec, rate, len(options.devices), alone=options.workers == 1
            )
            observed.observers += [rate.take, capacity.observe]

        def changed(well: bool) -> None:
            self._on_change(watched, well)

        pulse = Pulse(observed, spec.window_samples, options.deadline_seconds, changed)
        self._pulses.append(pulse)
        self._observed.append(observed)
        watched = replace(
            model,
            scheduler=observed,
            well=lambda: model.well() and pulse.well,
            seconds_each=lambda: rate.seconds_each,
        )
        return watched

    async def stop(self) -> None:
        """Stops monitoring."""
        for pulse in self._pulses:
            await pulse.stop()
        await self._capacity.loop.stop()
