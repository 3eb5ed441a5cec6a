"""A worker: one server of the port, its own sessions, the engines elsewhere."""

import asyncio
import logging
import os
import socket

from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.multiprocess.memory import Board, WindowSlots
from dfd.daemon.multiprocess.merge import snapshot
from dfd.daemon.multiprocess.neighbours import Neighbours
from dfd.daemon.multiprocess.orders import (
    Bound,
    Drain,
    Ended,
    Figures,
    Gone,
    Meet,
    Orders,
    Report,
    Serving,
    Show,
    Shown,
    Stop,
)
from dfd.daemon.multiprocess.remote import RemoteScheduler
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.contract import Engine
from dfd.daemon.scheduling.garbage import settle_memory
from dfd.daemon.server import LAST_WORDS_SECONDS, Server, Shared
from dfd.errors import UserError


class BoardSeats:
    """The places of the whole daemon, as one worker takes them."""

    def __init__(self, board: Board, worker: int) -> None:
        self._board = board
        self._worker = worker

    @property
    def taken(self) -> int:
        """Places in use."""
        return self._board.seats

    def take(self, limit: int) -> bool:
        """Takes a place; False where as many as `limit` are taken."""
        return self._board.take_seat(self._worker, limit)

    def leave(self) -> None:
        """Gives a place back."""
        self._board.leave_seat(self._worker)


class Engines:
    """The engines, as a server's source of one: there is one when the first is met."""

    def __init__(self) -> None:
        self._engine: asyncio.Future[Engine] = asyncio.get_running_loop().create_future()
        self.scheduler: RemoteScheduler | None = None

    async def start(self) -> Engine:
        """Waits for the first engine."""
        return await self._engine

    async def stop(self) -> bool:
        """Lets go of all."""
        if self.scheduler is not None:
            self.scheduler.stop()
        return True

    def met(self, engine: Engine) -> None:
        """There is an engine."""
        if not self._engine.done():
            self._engine.set_result(engine)


class Worker:
    """Serves as the supervisor bids."""

    def __init__(self, options: ServeOptions, index: int, board: Board, orders: Orders) -> None:
        self._options = options
        self._index = index
        self._board = board
        self._orders = orders
        self._metrics = Metrics()
        self._engines = Engines()
        self._server = Server(
            options, shared=Shared(self._engines, BoardSeats(board, index), self._metrics)
        )
        self._neighbours = Neighbours(index, self._server.runtime.roster, orders)
        self._warming: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._drained: bool = True

    async def run(self) -> Ended:
        """Serves until told to stop or to drain, or until the supervisor is gone."""
        try:
            await self._server.bind()
        except UserError as error:
            return Ended(drained=False, mistake=str(error))
        try:
            self._warming = asyncio.create_task(self._warm())
            self._orders.send(Bound())
            while (got := await self._orders.receive()) is not None:
                order, descriptors = got
                if isinstance(order, Meet):
                    await self._meet(order, *descriptors)
                elif isinstance(order, Report):
                    self._server.runtime.admission.publish()
                    self._orders.send(Figures(order.number, snapshot(self._metrics.registry)))
                elif isinstance(order, Show):
                    self._neighbours.show(order.shown)
                elif isinstance(order, Shown):
                    self._neighbours.shown(order)
                elif isinstance(order, Gone):
                    self._neighbours.gone(order.worker)
                elif isinstance(order, Drain):
                    self._draining = asyncio.create_task(self._drain())
                elif isinstance(order, Stop):
                    break
        finally:
            for task in (self._warming, self._draining):
                if task is not None:
                    task.cancel()
            await self._neighbours.close()
            busy = self._server.runtime.admission.active > 0
            await self._server.stop(0.0 if busy else LAST_WORDS_SECONDS)
        return Ended(drained=self._drained and not busy)

    async def _warm(self) -> None:
        self._server.on_serving = lambda serving: self._orders.send(Serving(serving))
        await self._server.warm()
        settle_memory()

    async def _drain(self) -> None:
        self._drained = await self._server.drain()
        log(logging.INFO, "drained" if self._drained else "ended with streams running")
        self._orders.send(Ended(self._drained))

    async def _meet(self, order: Meet, connection: int, memory: int) -> None:
        engines = self._engines
        if engines.scheduler is None:
            engines.scheduler = RemoteScheduler(
                self._index,
                WindowSlots(memory, order.spec.window_samples),
                self._board,
                self._metrics,
                self._options.queue_limit,
                self._engines_changed,
            )
        os.close(memory)
        await engines.scheduler.connect(order.index, socket.socket(fileno=connection))
        engines.met(Engine(order.spec, engines.scheduler))

    def _engines_changed(self, count: int) -> None:
        """Streams are taken while there is an engine for them."""
        if self._warming is None or not self._warming.done():
            return
        if count == 0:
            log(logging.WARNING, "no engine is left; no streams are taken until one is back")
            self._server.pause()
        else:
            self._server.resume()


async def run_worker(options: ServeOptions, index: int, board: Board, orders: Orders) -> Ended:
    """Lives as a worker process, until it is told to stop or the supervisor is gone."""
    try:
        worker = Worker(options, index, board, orders)
    except UserError as error:
        return Ended(drained=False, mistake=str(error))
    return await worker.run()
