"""A worker's view of a model that instances score with, and its requests to replace it."""

import asyncio
import itertools
from collections.abc import Callable

from dfd.daemon.multiprocess.channel import ControlChannel
from dfd.daemon.multiprocess.control import Manage, Managed, Standing, Verb, Withdraw
from dfd.detector.spec import ModelSpec
from dfd.errors import UserError


class RemoteModel:
    """One model; the supervisor has all of its instances do the same or none.

    Args:
        model: its index among the models served.
        control: to the supervisor.

    Attributes:
        on_change: as described at `Replaceable`.
    """

    def __init__(self, model: int, control: ControlChannel) -> None:
        self._model = model
        self._control = control
        self._standing: Standing | None = None
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[str | None]] = {}
        self.on_change: Callable[[ModelSpec], None] = lambda _: None

    def stands(self, standing: Standing) -> None:
        """Handles the supervisor's message about which models the instances have warm."""
        before, self._standing = self._standing, standing
        if before is not None and before.active != standing.active:
            self.on_change(standing.active)

    def managed(self, message: Managed) -> None:
        """Handles the supervisor's result of a request."""
        asked = self._asked.get(message.number)
        if asked is not None and not asked.done():
            asked.set_result(message.mistake)

    @property
    def _now(self) -> Standing:
        assert self._standing is not None
        return self._standing

    @property
    def active(self) -> ModelSpec:
        """The model that scores windows; known before the first instance is connected."""
        return self._now.active

    @property
    def waiting(self) -> ModelSpec | None:
        """The model that `activate` would switch to."""
        return self._now.waiting

    @property
    def previous(self) -> ModelSpec | None:
        """The model that `roll_back` would switch to."""
        return self._now.previous

    async def load(self, source: str) -> ModelSpec:
        """Loads another model in every instance, as described at `Replaceable`."""
        await self._ask(Verb.LOAD, source)
        return self.waiting or self.active

    async def activate(self) -> ModelSpec:
        """Switches every instance to the model that was loaded, as described at `Replaceable`."""
        await self._ask(Verb.ACTIVATE)
        return self.active

    async def roll_back(self) -> ModelSpec:
        """Switches every instance to the previous model, as described at `Replaceable`."""
        await self._ask(Verb.ROLL_BACK)
        return self.active

    async def _ask(self, verb: Verb, source: str = "") -> None:
        number = next(self._numbers)
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        self._control.send(Manage(number, self._model, verb, source))
        try:
            # the supervisor has limits for every step, and a worker ends with it
            mistake = await asked
        except asyncio.CancelledError:
            self._control.send(Withdraw(number, self._model))
            raise
        finally:
            del self._asked[number]
        if mistake is not None:
            raise UserError(mistake)
