"""The supervisor: starts the processes of one daemon, watches them, and ends them."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Coroutine
from dataclasses import replace

from prometheus_client import CollectorRegistry

from dfd.daemon.endpoint.address import address, reserved
from dfd.daemon.lifecycle import ready_line
from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.multiprocess import control
from dfd.daemon.multiprocess.changes import ModelChanges
from dfd.daemon.multiprocess.gather import Gatherer
from dfd.daemon.multiprocess.ledger import SharedLedger
from dfd.daemon.multiprocess.memory import SharedCounts
from dfd.daemon.multiprocess.merge import MergedCollector
from dfd.daemon.multiprocess.process import Process, RestartDelays, introduce, spawn, until_gone
from dfd.daemon.multiprocess.relay import Relay
from dfd.daemon.multiprocess.watchdog import keep_watch
from dfd.daemon.options import ServeOptions
from dfd.daemon.page import MetricsPage
from dfd.daemon.scheduling.lineup import check_lineup
from dfd.errors import UserError

_STOP_SECONDS = 5.0


class Supervisor:
    """Several workers on one port and one instance per device; belongs to one loop.

    Args:
        loader: "module:function" that makes the warm classifier of an instance.
    """

    def __init__(self, options: ServeOptions, loader: str) -> None:
        self.options = options
        self.port = 0
        self.page: MetricsPage | None = None
        self.metrics = Metrics()
        self._loader = loader
        self._loop = asyncio.get_running_loop()
        self._held = contextlib.ExitStack()
        instances = len(options.instances)
        self._counts_descriptor = SharedCounts.allocate(options.workers, instances)
        self._held.callback(os.close, self._counts_descriptor)
        self._counts = SharedCounts(self._counts_descriptor, options.workers, instances)
        self._ledger_descriptor = SharedLedger.allocate(options.workers)
        self._held.callback(os.close, self._ledger_descriptor)
        self._ledger = SharedLedger(self._ledger_descriptor, options.workers, 0)
        self._processes: dict[tuple[str, int], Process] = {}
        self._watches: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._started = False
        self._ending = False
        self._mistake: str | None = None
        self._delays = RestartDelays()
        self._relay = Relay(lambda: self._all("worker"))
        self._gatherer = Gatherer(self.metrics, self._processes.values)
        self._changes = ModelChanges(options, self._all)

    @property
    def ready_line(self) -> str:
        """Returns the line printed on standard output once streams are accepted."""
        return ready_line(self.options, self.port, self.page)

    async def start(self) -> bool:
        """Starts everything and waits until streams are accepted.

        Raises:
            UserError: if an option is wrong.
        """
        options = self.options
        self.port = self._held.enter_context(reserved(options.host, options.port, options.handover))
        if options.serves_metrics:
            registry = CollectorRegistry()
            registry.register(MergedCollector(self._gatherer.figures_for_page))
            self.page = MetricsPage(
                registry,
                options.metrics_host,
                options.metrics_port,
                lambda: self.metrics.value("dfd_ready") == 1.0,
                options.handover,
            )
        for role, count in (("instance", len(options.instances)), ("worker", options.workers)):
            for index in range(count):
                await self._spawn(role, index)
        await self._until(
            lambda: (
                all(p.spec for p in self._all("instance"))
                and all(p.bound for p in self._all("worker"))
            )
        )
        specs = [one.spec for one in self._all("instance") if one.spec is not None]
        check_lineup(options, specs[:: len(options.devices)])
        self._changes.start(specs[:: len(options.devices)])
        self._started = True
        self._until_end(keep_watch(self._responsive, options.watchdog_seconds), "watchdog")
        for worker in self._all("worker"):
            self._changes.greet(worker)
            for instance in self._all("instance"):
                self._introduce(worker, instance)
        await self._until(lambda: all(p.serving for p in self._all("worker")))
        self._publish()
        log(
            logging.INFO,
            "serving",
            address=address(options.host, self.port),
            workers=options.workers,
            models=options.models,
            devices=options.devices,
        )
        return True

    def reread(self) -> None:
        """Makes all workers read tokens, keys and certificates again."""
        for worker in self._all("worker"):
            worker.control.send(control.Reread())

    async def drain(self) -> bool:
        """Accepts no new streams and waits for running ones; returns False if some did not end."""
        self._ending = True
        self._publish()
        log(
            logging.INFO,
            "draining",
            grace_seconds=self.options.grace_seconds,
            streams=self._counts.streams,
        )
        if self.options.handover and self.page is not None:
            await asyncio.to_thread(self.page.close)
        workers = self._all("worker")
        for worker in workers:
            worker.end = None
            worker.control.send(control.Drain())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.options.grace_seconds + _STOP_SECONDS):
                await self._until(lambda: all(p.end for p in workers))
        return all(p.end is not None and p.end.drained for p in workers)

    async def stop(self) -> None:
        """Stops every process, and kills those that do not respond."""
        self._ending = True
        if self.page is not None:
            await asyncio.to_thread(self.page.close)
        # instances last, so that the workers' remaining windows are scored or shed, not failed
        for role in ("worker", "instance"):
            processes = self._all(role)
            for process in processes:
                process.control.send(control.Stop())
            await until_gone(processes, _STOP_SECONDS)
        for watch in tuple(self._watches):
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        self._held.close()

    def _all(self, role: str) -> list[Process]:
        return [p for p in self._processes.values() if p.role == role]

    def _responsive(self) -> list[Process]:
        """Returns the processes that can answer at once; loading a model may block its process."""
        return [p for p in self._processes.values() if p.serving or p.spec is not None]

    async def _spawn(self, role: str, index: int) -> None:
        options = self.options
        sources, replaced = self._changes.begins_with(index) if role == "instance" else (None, None)
        begin = control.Begin(
            role=role,
            index=index,
            options=replace(options, port=self.port, metrics_port=-1),
            loader=self._loader,
            workers=options.workers,
            instances=len(options.instances),
            sources=sources,
            replaced=replaced,
        )
        one = await spawn(begin, [self._counts_descriptor, self._ledger_descriptor])
        self._processes[role, index] = one
        self._until_end(self._watch(one), f"watch {one.name}")

    def _until_end(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    async def _watch(self, one: Process) -> None:
        """Hears a process to its end, and starts another in its place."""
        try:
            while (got := await one.control.receive()) is not None:
                self._handle(one, got[0])
            # one that no longer hears, yet does not end, must make room for another
            await until_gone([one], _STOP_SECONDS)
            status = await one.process.wait()
        finally:
            one.kill()
            one.control.close()
        self._reap(one)
        if self._ending:
            return
        if not self._started:
            self._mistake = self._mistake or f"{one.name} ended during startup; see the log"
            self._changed.set()
            return
        log(logging.ERROR, "process died, starting another", process=one.name, status=status)
        self.metrics.process_restarts.labels(one.role).inc()
        await asyncio.sleep(self._delays.after(one, self._loop.time()))
        await self._spawn(one.role, one.index)

    def _handle(self, one: Process, message: control.ControlMessage) -> None:
        one.unanswered = 0
        if isinstance(message, control.Warm):
            one.spec = message.spec
            if self._started:
                for worker in self._all("worker"):
                    self._introduce(worker, one)
        elif isinstance(message, control.Bound):
            one.bound = True
            self._changes.greet(one)
            if self._started:
                for instance in self._all("instance"):
                    self._introduce(one, instance)
        elif isinstance(message, control.Serving):
            one.serving = message.serving
            self._publish()
            self._relay.serving(one)
        elif isinstance(message, control.Figures):
            self._gatherer.answered(one, message)
        elif isinstance(message, control.Stepped):
            self._changes.stepped(message)
        elif isinstance(message, control.Manage):
            self._until_end(self._changes.manage(one, message), "manage")
        elif isinstance(message, control.Withdraw):
            self._changes.withdraw(one, message)
        elif isinstance(message, control.Watched):
            self._relay.watched(one, message.watched)
        elif isinstance(message, control.Shown):
            self._relay.shown(one, message)
        elif isinstance(message, control.Ended):
            one.end = message
            if message.mistake is not None:
                self._mistake = self._mistake or message.mistake
                if self._started:
                    log(
                        logging.ERROR, "process cannot start", process=one.name, why=message.mistake
                    )
                one.control.send(control.Stop())
        self._changed.set()

    def _introduce(self, worker: Process, instance: Process) -> None:
        if worker.bound and instance.spec is not None:
            introduce(worker, instance, self.options.instances[instance.index].models[0])

    def _reap(self, one: Process) -> None:
        """Gives back what a process had, and keeps what it counted."""
        if one.end is None:
            one.end = control.Ended(drained=False)
        if self._processes.get((one.role, one.index)) is one:
            del self._processes[one.role, one.index]
        if one.role == "worker":
            self._counts.clear_worker(one.index)
            self._ledger.clear_worker(one.index)
            self._relay.gone(one)
        self._changes.gone(one)
        for slots in one.slots.values():
            os.close(slots)
        self._gatherer.retire(one)
        self._publish()
        self._changed.set()

    def _publish(self) -> None:
        """Publishes the metrics that only the supervisor knows."""
        expected = self.options.workers + len(self.options.instances)
        complete = self._started and all(p.serving for p in self._all("worker"))
        complete = complete and len(self._processes) == expected and not self._ending
        self.metrics.ready.set(complete)

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Waits until messages of the processes make a condition true.

        Raises:
            UserError: if one of them could not start.
        """
        while not condition():
            if self._mistake is not None and not self._started:
                raise UserError(self._mistake)
            self._changed.clear()
            # callers set limits; at the start there is none, since a model may have to be fetched
            await self._changed.wait()
