"""Whether streams are accepted: admission and health follow what is known of the models."""

import logging
from collections.abc import Callable

from dfd.daemon.endpoint.admission import Phase
from dfd.daemon.endpoint.health import HealthServicer
from dfd.daemon.logs import log
from dfd.daemon.runtime import Runtime
from dfd.daemon.scheduling.contract import ServedModel


class Readiness:
    """Sets admission and health of one server, and warns its streams.

    Args:
        runtime: has the admission and the running streams.
        health: what gRPC's health service says.
        well: whether any model scores windows, as far as is known.

    Attributes:
        on_serving: called when streams are accepted, or not for the time being.
    """

    def __init__(self, runtime: Runtime, health: HealthServicer, well: Callable[[], bool]) -> None:
        self._runtime = runtime
        self._health = health
        self._well = well
        self._has_model = False
        self.on_serving: Callable[[bool], None] | None = None

    def set_model(self, present: bool) -> None:
        """Accepts streams if there is a model, and no new ones while there is none."""
        self._has_model = present
        self._follow()

    def pulse_changed(self, model: ServedModel, well: bool) -> None:
        """Reports the state of a model to new and running streams."""
        model = self._runtime.current(model) or model
        several = len(self._runtime.options.models) > 1
        which = f"the classifier {model.spec.name}" if several else "the classifier"
        if well:
            log(logging.WARNING, "windows are being scored again", model=model.spec.name)
            self._runtime.warn("ENGINE_RECOVERED", f"{which} is scoring windows again", model)
        else:
            log(
                logging.ERROR,
                "no windows are being scored; no streams are accepted until they are",
                model=model.spec.name,
            )
            self._runtime.warn(
                "ENGINE_FAILING",
                f"{which} is not scoring windows at present; what is said meanwhile may stay"
                " unscored",
                model,
            )
        self._follow()

    def _follow(self) -> None:
        """Sets admission and health to the known state of the models."""
        admission = self._runtime.admission
        if admission.phase is Phase.DRAINING:
            return
        if not self._has_model:
            phase = Phase.WARMING
        else:
            phase = Phase.SERVING if self._well() else Phase.FAILING
        serving = phase is Phase.SERVING
        admission.enter(phase)
        self._health.set_serving(serving)
        if self.on_serving is not None:
            self.on_serving(serving)
