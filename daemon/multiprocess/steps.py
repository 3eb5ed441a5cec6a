"""An instance's part in replacing its model: it takes steps as the supervisor orders them."""

import asyncio
import logging

from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.multiprocess.channel import ControlChannel
from dfd.daemon.multiprocess.control import Sources, Standing, Step, Stepped, Verb
from dfd.daemon.scheduling.local import LocalModel
from dfd.errors import UserError


class Steps:
    """Takes one step after the other; belongs to one event loop.

    Args:
        source: the model, in this process.
        metrics: told which model is active.
        control: to the supervisor.
    """

    def __init__(self, source: LocalModel, metrics: Metrics, control: ControlChannel) -> None:
        self._source = source
        self._metrics = metrics
        self._control = control
        self._last: asyncio.Task[None] | None = None
        self._loading: asyncio.Task[None] | None = None

    def restore(self, warming: asyncio.Future[None], sources: Sources) -> None:
        """Loads what lay beside the model before this process took the place of another one."""
        self._last = asyncio.create_task(self._restore(warming, sources), name="dfd-restore")

    def take(self, step: Step) -> None:
        """Takes a step after those before it, and says how it went."""
        if step.verb is Verb.UNDO and self._loading is not None:
            self._loading.cancel()
        before, self._last = self._last, None
        task = asyncio.create_task(self._take(before, step), name=f"dfd-{step.verb.value}")
        self._last, self._loading = task, task if step.verb is Verb.LOAD else None

    def stop(self) -> None:
        """Ends what is being done."""
        if self._last is not None:
            self._last.cancel()

    async def _take(self, before: asyncio.Task[None] | None, step: Step) -> None:
        if before is not None:
            await asyncio.wait([before])
        mistake = None
        try:
            await self._do(step)
        except UserError as error:
            mistake = str(error)
        except Exception:
            log(logging.ERROR, "the model could not be replaced", exc_info=True)
            mistake = "the model could not be loaded; see the log of the server"
        source = self._source
        standing = Standing(-1, source.active, source.waiting, source.previous)
        self._control.send(Stepped(step.number, mistake, standing))

    async def _do(self, step: Step) -> None:
        source = self._source
        if step.verb is Verb.LOAD:
            await source.try_load(step.source)
        elif step.verb is Verb.ACTIVATE:
            source.try_activate()
        elif step.verb is Verb.ROLL_BACK:
            source.try_roll_back()
        elif step.verb is Verb.UNDO:
            source.undo()
        else:
            source.keep()
            self._metrics.set_models([source.active])

    async def _restore(self, warming: asyncio.Future[None], sources: Sources) -> None:
        await asyncio.wait([warming])
        try:
            await self._source.restore(sources.waiting, sources.previous)
        except UserError as error:
            log(logging.ERROR, "the models beside the active one are missing", why=str(error))
        except Exception:
            log(logging.ERROR, "the models beside the active one are missing", exc_info=True)
