"""An instance: the process of one device, which scores the windows of all workers."""

import asyncio
import functools
import logging
import os
import socket

from dfd import __version__
from dfd.daemon.logs import log, model_fields
from dfd.daemon.metrics import Metrics
from dfd.daemon.multiprocess.channel import ControlChannel
from dfd.daemon.multiprocess.control import (
    Begin,
    Connect,
    Ended,
    Figures,
    Report,
    Step,
    Stop,
    Warm,
)
from dfd.daemon.multiprocess.memory import WindowSlots
from dfd.daemon.multiprocess.merge import snapshot
from dfd.daemon.multiprocess.records import NO_SCORE, REPLY, REQUEST, RecordLink, Verb
from dfd.daemon.multiprocess.remote import STATUSES
from dfd.daemon.multiprocess.steps import Steps
from dfd.daemon.scheduling.batching import Kind, Lane, Outcome
from dfd.daemon.scheduling.garbage import settle_memory
from dfd.daemon.scheduling.local import LocalModel
from dfd.daemon.scheduling.model_slots import Loader, options_beside
from dfd.daemon.scheduling.scheduler import Scheduler
from dfd.daemon.tracing import Tracing
from dfd.errors import UserError
from dfd.streaming.types import WindowStatus

_NUMBERS = {status: number for number, status in enumerate(STATUSES)}


class WorkerConnection:
    """One worker, as seen by the instance: its windows go into the scheduler, scores come back.

    When the worker is gone its lanes are closed, and its waiting windows are never run.
    """

    def __init__(self, scheduler: Scheduler, slots: WindowSlots) -> None:
        self._scheduler = scheduler
        self._rows = slots.rows
        self._lanes: dict[int, Lane] = {}
        self._link = RecordLink(REQUEST, self._asked, self._gone)

    async def serve(self, connection: socket.socket) -> None:
        """Serves until the other end is closed."""
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: self._link, connection)

    def close(self) -> None:
        """Closes the connection after sending the scores that are ready."""
        self._link.close()

    def _asked(
        self,
        verb: int,
        kind: int,
        channel: int,
        number: int,
        slot: int,
        samples: int,
        arrived_at: float,
        due_at: float,
    ) -> None:
        if verb == Verb.OPEN:
            self._lanes[number] = self._scheduler.open_lane()
            return
        lane = self._lanes.get(number)
        if verb != Verb.SUBMIT:
            if lane is None:
                return
            if verb == Verb.CLOSE:
                del self._lanes[number]
                self._scheduler.close_lane(lane)
            else:
                self._scheduler.cancel_lane(lane)
            return
        if lane is None:
            self._answer(slot, Outcome(WindowStatus.SHED))
            return
        future = self._scheduler.submit(
            lane,
            self._rows[slot, :samples],
            due_at=due_at,
            kind=Kind(kind),
            channel=channel,
            arrived_at=arrived_at,
        )
        future.add_done_callback(functools.partial(self._done, slot))

    def _done(self, slot: int, future: asyncio.Future[Outcome]) -> None:
        self._answer(slot, future.result())

    def _answer(self, slot: int, outcome: Outcome) -> None:
        self._link.say(
            REPLY.pack(
                slot,
                _NUMBERS[outcome.status],
                outcome.batch_size,
                NO_SCORE if outcome.spoof_llr is None else outcome.spoof_llr,
                outcome.queue_seconds,
                outcome.compute_seconds,
            )
        )

    def _gone(self) -> None:
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            self._scheduler.close_lane(lane)


async def run_instance(begin: Begin, load: Loader, control: ControlChannel) -> Ended:
    """Runs as an instance until it is told to stop or the supervisor is gone."""
    options = begin.options.instances[begin.index]
    if begin.sources is not None and begin.replaced is not None:
        # in the place of one that died, whose model may have been replaced
        options = options_beside(options, begin.sources.active, begin.replaced)
    metrics = Metrics()
    if options.otlp_endpoint is not None:
        metrics.tracing = Tracing(options.otlp_endpoint, __version__)
    source = LocalModel(options, metrics, load, on_hung=_die)
    connections: dict[int, WorkerConnection] = {}
    steps = Steps(source, metrics, control)
    warming = asyncio.ensure_future(_warm(source, metrics, control))
    if begin.sources is not None:
        steps.restore(warming, begin.sources)
    while (got := await control.receive()) is not None:
        message, descriptors = got
        if isinstance(message, Connect):
            connection, slots = descriptors
            if (old := connections.pop(message.index, None)) is not None:
                old.close()
            worker = WorkerConnection(
                source.scheduler, WindowSlots(slots, message.spec.window_samples)
            )
            os.close(slots)
            await worker.serve(socket.socket(fileno=connection))
            connections[message.index] = worker
        elif isinstance(message, Step):
            steps.take(message)
        elif isinstance(message, Report):
            control.send(Figures(message.number, snapshot(metrics.registry)))
        elif isinstance(message, Stop):
            break
    warming.cancel()
    steps.stop()
    for worker in connections.values():
        worker.close()
    await source.stop()
    if metrics.tracing is not None:
        await asyncio.to_thread(metrics.tracing.close)
    return Ended()


def _die() -> None:
    """Ends the process, since a hung pass might otherwise hold the device for ever."""
    logging.shutdown()
    os._exit(1)


async def _warm(source: LocalModel, metrics: Metrics, control: ControlChannel) -> None:
    """Loads the model and reports success or failure; the supervisor decides what happens then."""
    try:
        spec = (await source.start()).spec
    except UserError as error:
        control.send(Ended(drained=False, mistake=str(error)))
        return
    except Exception:
        log(logging.ERROR, "the model could not be loaded", exc_info=True)
        control.send(Ended(drained=False, mistake="an instance could not start; see the log"))
        return
    metrics.set_models([spec])
    metrics.ready.set(1)
    settle_memory()
    log(logging.INFO, "instance ready", **model_fields(spec))
    control.send(Warm(spec))
