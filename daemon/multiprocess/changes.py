"""Replaces a model in all of its instances or in none: the supervisor's part.

Each change is tried in every instance, which keeps what it had warm meanwhile. Only if all have
taken it the change is recorded, confirmed, and told to the workers; otherwise all take it back. An
instance that does not confirm is killed. If the client leaves while a model is loaded, the load is
taken back too; the other changes take no time and are completed. Whatever starts in the place of
an instance is told what was recorded last, and so is every worker.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dfd.daemon.logs import log
from dfd.daemon.multiprocess.control import (
    Manage,
    Managed,
    Sources,
    Standing,
    Step,
    Stepped,
    Verb,
    Withdraw,
)
from dfd.daemon.multiprocess.process import Process
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.model_slots import NOTHING_BEFORE, NOTHING_LOADED
from dfd.detector.spec import ModelSpec
from dfd.errors import UserError

# to load a model, which may be fetched first; and to take any other step
_LOAD_SECONDS, _STEP_SECONDS = 600.0, 10.0
_LEFT = "the client that asked for it left, so nothing was changed anywhere"


@dataclass(slots=True, eq=False)
class _Model:
    """What was recorded of a model.

    Attributes:
        first: what the options name.
        changing: held by the change that is tried.
    """

    first: ModelSpec
    sources: Sources
    standing: Standing
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


class ModelChanges:
    """Belongs to one event loop.

    Args:
        options: name the models and devices.
        processes: gives those that run, of a role.
    """

    def __init__(
        self, options: ServeOptions, processes: Callable[[str], Sequence[Process]]
    ) -> None:
        self._options = options
        self._processes = processes
        self._models: list[_Model] = []
        self._numbers = itertools.count()
        self._asked: dict[int, tuple[Process, asyncio.Future[Stepped | None]]] = {}
        # one for each request of a worker's client, done when that client has left
        self._left: dict[tuple[Process, int, int], asyncio.Future[None]] = {}

    def start(self, specs: Sequence[ModelSpec]) -> None:
        """Takes the specs of the models, in the order of the options, when they are warm."""
        self._models = [
            _Model(spec, Sources(source), Standing(number, spec))
            for number, (source, spec) in enumerate(zip(self._options.models, specs, strict=True))
        ]

    def begins_with(self, index: int) -> tuple[Sources, ModelSpec] | tuple[None, None]:
        """Returns what an instance that starts now is to load, and whose place that took."""
        number = index // len(self._options.devices)
        if number >= len(self._models):  # none is warm yet
            return None, None
        model = self._models[number]
        return model.sources, model.first

    def greet(self, worker: Process) -> None:
        """Tells a worker which models the instances have warm."""
        for model in self._models:
            worker.control.send(model.standing)

    def stepped(self, message: Stepped) -> None:
        """Handles an instance's result of a step."""
        _, future = self._asked.get(message.number, (None, None))
        if future is not None and not future.done():
            future.set_result(message)

    def gone(self, one: Process) -> None:
        """Handles the end of a process, from which no more answers come."""
        for process, future in self._asked.values():
            if process is one and not future.done():
                future.set_result(None)
        for worker, model, number in self._left:
            if worker is one:
                self.withdraw(worker, Withdraw(number, model))

    def withdraw(self, worker: Process, message: Withdraw) -> None:
        """Handles that the client of a request has left."""
        left = self._left.get((worker, message.model, message.number))
        if left is not None and not left.done():
            left.set_result(None)

    async def manage(self, worker: Process, asked: Manage) -> None:
        """Does what a worker's client asked for, and says what became of it."""
        mistake = None
        key = worker, asked.model, asked.number
        left = self._left[key] = asyncio.get_running_loop().create_future()
        try:
            model = self._models[asked.model]
            async with model.changing:
                await self._change(asked, model, left)
        except UserError as error:
            mistake = str(error)
        except Exception:
            log(logging.ERROR, "the model could not be replaced", exc_info=True)
            mistake = "the model could not be replaced; see the log of the server"
        finally:
            del self._left[key]
        if mistake is not None and left.done():
            log(logging.WARNING, "change of a model withdrawn by its client", source=asked.source)
        worker.control.send(Managed(asked.number, asked.model, mistake))

    async def _change(self, asked: Manage, model: _Model, left: asyncio.Future[None]) -> None:
        """Tries a change everywhere, and confirms it or takes it back.

        Args:
            asked: the change.
            model: what it changes.
            left: done when nobody waits for it any more.

        Raises:
            UserError: if it was taken back; nothing has changed then.
        """
        if left.done():
            raise UserError(_LEFT)
        number, verb, source = asked.model, asked.verb, asked.source
        sources, standing = _after(model, verb, source)
        every, taking = self._instances(number), self._ready(number)
        # going back is for when instances die of the new model, so it does not need all of them
        if verb is not Verb.ROLL_BACK and len(taking) < len(self._options.devices):
            raise UserError("a process of the model is starting; try again when it is ready")
        answers = await self._all(taking, verb, source, left if verb is Verb.LOAD else None)
        mistakes = _mistakes(answers, verb)
        found = [one.standing for one in answers.values() if one is not None]
        if not mistakes and len(set(map(_weights, found))) > 1:
            mistakes = ["its processes loaded different models"]
        if mistakes:
            await self._confirm(taking, Verb.UNDO)
            raise UserError(mistakes[0])
        if found:
            standing = replace(found[0], model=number)
        if len(found) < len(self._options.devices):
            # whatever starts again must not load what it may have died of
            sources, standing = replace(sources, waiting=None), replace(standing, waiting=None)
        model.sources, model.standing = sources, standing
        for one in taking:
            one.spec = standing.active
        await self._confirm([one for one in taking if answers[one] is not None], Verb.KEEP)
        for one in {*every, *self._instances(number)}.difference(
            one for one, answer in answers.items() if answer is not None
        ):
            one.kill()  # what starts in its place begins with what was recorded
        for worker in self._processes("worker"):
            worker.control.send(standing)

    def _instances(self, number: int) -> list[Process]:
        devices = len(self._options.devices)
        return [one for one in self._processes("instance") if one.index // devices == number]

    def _ready(self, number: int) -> list[Process]:
        return [one for one in self._instances(number) if one.spec is not None and one.end is None]

    async def _all(
        self,
        instances: Iterable[Process],
        verb: Verb,
        source: str = "",
        left: asyncio.Future[None] | None = None,
    ) -> dict[Process, Stepped | None]:
        """Has instances take a step; None stands for those that did not answer.

        They are not waited for any longer once `left` is done.
        """
        asked: dict[Process, int] = {}
        for one in instances:
            number = asked[one] = next(self._numbers)
            self._asked[number] = (one, asyncio.get_running_loop().create_future())
            one.control.send(Step(number, verb, source))
        futures = [self._asked[number][1] for number in asked.values()]
        seconds = _LOAD_SECONDS if verb is Verb.LOAD else _STEP_SECONDS
        try:
            await self._answered(futures, left, seconds)
        finally:
            answers = [self._asked.pop(number)[1] for number in asked.values()]
        return {
            one: answer.result() if answer.done() else None
            for one, answer in zip(asked, answers, strict=True)
        }

    @staticmethod
    async def _answered(
        futures: Sequence[asyncio.Future[Stepped | None]],
        left: asyncio.Future[None] | None,
        seconds: float,
    ) -> None:
        if not futures:
            return
        every = asyncio.create_task(asyncio.wait(futures), name="dfd-steps")
        try:
            either: list[asyncio.Future[Any]] = [every] if left is None else [every, left]
            await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            every.cancel()

    async def _confirm(self, instances: Sequence[Process], verb: Verb) -> None:
        """Has instances keep a change or take it back; kills those that do not say so."""
        for one, answer in (await self._all(instances, verb)).items():
            if answer is None or answer.mistake is not None:
                one.kill()


def _after(model: _Model, verb: Verb, source: str) -> tuple[Sources, Standing]:
    """Returns what is to be recorded of a change; models that are to be loaded are unknown yet.

    Raises:
        UserError: if there is nothing to change to.
    """
    sources, standing = model.sources, model.standing
    if verb is Verb.LOAD:
        return replace(sources, waiting=source), standing
    if verb is Verb.ACTIVATE:
        if sources.waiting is None or standing.waiting is None:
            raise UserError(NOTHING_LOADED)
        return (
            Sources(sources.waiting, None, sources.active),
            Standing(standing.model, standing.waiting, None, standing.active),
        )
    if sources.previous is None or standing.previous is None:
        raise UserError(NOTHING_BEFORE)
    return (
        Sources(sources.previous, sources.active, None),
        Standing(standing.model, standing.previous, standing.active, None),
    )


def _weights(standing: Standing) -> tuple[tuple[str, str, str] | None, ...]:
    """Returns what the standing of all instances of a model has in common, whatever the device."""
    return tuple(
        None if one is None else (one.name, one.version, one.weights_sha256)
        for one in (standing.active, standing.waiting)
    )


def _mistakes(answers: dict[Process, Stepped | None], verb: Verb) -> list[str]:
    """Returns why a change is to be taken back; nothing if it is not."""
    found = []
    for one, answer in answers.items():
        if answer is not None and answer.mistake is not None:
            found.append(answer.mistake)
        elif answer is None and verb is not Verb.ROLL_BACK:
            found.append(f"{one.name} did not answer, so nothing was changed anywhere; try again")
    return found
