"""A model and what it can be replaced with while streams run: all warm, each in its own thread."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.device import DeviceThread
from dfd.detector.spec import LoadedModel, ModelSpec
from dfd.errors import UserError

Loader = Callable[[ServeOptions], LoadedModel]

NOTHING_LOADED = "no model is loaded: load one first, with dfd models load"
NOTHING_BEFORE = "there is no model to go back to: none was activated since the start"


@dataclass(slots=True, eq=False)
class Loaded:
    """A warm model, the thread that loaded it, and the options that it was loaded with."""

    detector: LoadedModel
    device: DeviceThread
    options: ServeOptions


@dataclass(frozen=True, slots=True)
class ModelSlots:
    """The models that are warm: the one that scores, and what it can be replaced with."""

    active: Loaded
    waiting: Loaded | None = None
    previous: Loaded | None = None

    @property
    def all(self) -> list[Loaded]:
        """All warm models."""
        return [one for one in (self.active, self.waiting, self.previous) if one is not None]


def options_beside(options: ServeOptions, source: str, spec: ModelSpec) -> ServeOptions:
    """Returns the options to load a model with that takes the place of another.

    Args:
        options: those of the other.
        source: what `--model` takes.
        spec: the other's, whose windows running streams keep.
    """
    rate = spec.sample_rate_hz
    return replace(
        options.beside_streams,
        model=source,
        window_seconds=spec.window_samples / rate,
        hop_seconds=spec.hop_samples / rate,
    )


async def load_beside(active: Loaded, source: str, load: Loader) -> Loaded:
    """Loads and tries a model that is to take the same windows as the one that scores them.

    Args:
        active: the one that scores them.
        source: what `--model` takes.
        load: creates the warm classifier.

    Raises:
        UserError: if there is no such model, it takes other windows, or gives no finite score.
    """
    spec = active.detector.spec
    options = options_beside(active.options, source, spec)
    device = DeviceThread()
    try:
        detector = await device.run(lambda: load(options))
        _check_fits(detector, spec)
        noise = np.random.default_rng(0).normal(0.0, 0.05, (1, spec.window_samples))
        window, length = noise.astype(np.float32), np.array([spec.window_samples])
        llrs = await device.run(lambda: detector.score(window, length))
        if not np.isfinite(llrs).all():
            raise UserError(f"{source} gives no finite score: it is broken, load another")
    except BaseException:
        device.close()
        raise
    return Loaded(detector, device, options)


def _check_fits(detector: LoadedModel, spec: ModelSpec) -> None:
    """Checks that a model can replace another.

    Raises:
        UserError: if it takes other windows.
    """
    new = detector.spec
    if (new.sample_rate_hz, new.window_samples) != (spec.sample_rate_hz, spec.window_samples):
        raise UserError(
            f"{new.name} takes {new.window_samples} samples at {new.sample_rate_hz} Hz, and streams"
            f" are cut for {spec.window_samples} at {spec.sample_rate_hz} Hz: restart with it"
        )
