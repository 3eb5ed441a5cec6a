"""The supervisor: starts the processes of one daemon, watches them, and ends them."""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from prometheus_client import CollectorRegistry

from dfd.daemon import systemd
from dfd.daemon.endpoint.address import address, reserved
from dfd.daemon.endpoint.doors import check_doors
from dfd.daemon.lifecycle import Ending, ready_line, reread_as_asked, unless_signal
from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.multiprocess.control import (
    Begin,
    Bound,
    Connect,
    ControlChannel,
    ControlMessage,
    Drain,
    Ended,
    Figures,
    Gone,
    Report,
    Reread,
    Serving,
    Show,
    Shown,
    Stop,
    Warm,
    Watched,
)
from dfd.daemon.multiprocess.ledger import SharedLedger
from dfd.daemon.multiprocess.memory import SharedCounts, WindowSlots
from dfd.daemon.multiprocess.merge import Families, MergedCollector, lasting, merge, snapshot
from dfd.daemon.multiprocess.watchdog import keep_watch
from dfd.daemon.options import ServeOptions
from dfd.daemon.page import MetricsPage
from dfd.daemon.resume.keys import share_with_children
from dfd.daemon.scheduling.lineup import check_names
from dfd.detector.spec import ModelSpec
from dfd.errors import UserError

LOAD_MODEL = "dfd.daemon.scheduling.load:load_model"

_CODE = "from dfd.daemon.multiprocess.child import main; main()"
# windows of one worker that may be at the instances; only pages that were used take memory
_SLOTS = 1024
_FIGURES_SECONDS = 2.0
_FOR_NOBODY = -1
_STOP_SECONDS = 5.0
_FIRST_RESTART_SECONDS = 0.2
_LAST_RESTART_SECONDS = 10.0
# a process that lived this long died of a new cause
_LONG_LIFE_SECONDS = 60.0


@dataclass(slots=True, eq=False)
class _Process:
    """A process of the daemon, as the supervisor sees it.

    Attributes:
        bound, serving, watched: state of a worker.
        spec: model of an instance, once it is loaded.
        slots: descriptors of a worker's windows, by model.
        figures: its metrics when they were last requested.
        end: its last message about its end.
        unanswered: requests since it last answered.
    """

    role: str
    index: int
    process: asyncio.subprocess.Process
    control: ControlChannel
    started_at: float
    bound: bool = False
    serving: bool = False
    watched: bool = False
    spec: ModelSpec | None = None
    slots: dict[str, int] = field(default_factory=dict)
    figures: Families = field(default_factory=list)
    end: Ended | None = None
    unanswered: int = 0

    @property
    def name(self) -> str:
        """Its name in the log."""
        return f"{self.role}-{self.index}"

    def ask(self) -> None:
        """Requests its figures, which are kept for when it is gone."""
        self.control.send(Report(_FOR_NOBODY))

    def kill(self) -> None:
        """Kills it."""
        self.process.kill()


class Supervisor:
    """Several workers on one port and one instance per device; belongs to one loop.

    Args:
        loader: "module:function" that makes the warm classifier of an instance.
    """

    def __init__(self, options: ServeOptions, loader: str = LOAD_MODEL) -> None:
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
        self._processes: dict[tuple[str, int], _Process] = {}
        self._watches: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._started = False
        self._ending = False
        self._mistake: str | None = None
        self._retired: Families = []
        self._delays: dict[tuple[str, int], float] = {}
        self._reports: dict[int, tuple[_Process, asyncio.Future[Families]]] = {}
        self._report_numbers = itertools.count()

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
            registry.register(MergedCollector(self._gather_from_page))
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
        check_names([p.spec for p in self._all("instance") if p.spec][:: len(options.devices)])
        self._started = True
        watchdog = asyncio.create_task(keep_watch(self._at_work, options.watchdog_seconds))
        self._watches.add(watchdog)
        for worker in self._all("worker"):
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
            worker.control.send(Reread())

    async def drain(self) -> bool:
        """Accepts no new streams and waits for running ones; returns False if some did not end."""
        self._ending = True
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
            worker.control.send(Drain())
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
                process.control.send(Stop())
            await self._until_gone(processes)
        for watch in tuple(self._watches):
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        self._held.close()

    async def figures(self) -> Families:
        """Returns the merged metrics of all processes."""
        self._publish()
        processes = [process for process in self._processes.values() if process.end is None]
        waits = []
        for process in processes:
            number = next(self._report_numbers)
            future: asyncio.Future[Families] = self._loop.create_future()
            self._reports[number] = (process, future)
            process.control.send(Report(number))
            waits.append(future)
        if waits:
            await asyncio.wait(waits, timeout=_FIGURES_SECONDS)
        for number in [n for n, (_, future) in self._reports.items() if future in waits]:
            del self._reports[number]
        parts = [process.figures for process in processes]
        return merge([snapshot(self.metrics.registry), self._retired, *parts])

    def _all(self, role: str) -> list[_Process]:
        return [p for p in self._processes.values() if p.role == role]

    def _at_work(self) -> list[_Process]:
        """Returns the processes that can answer at once; loading a model may block its process."""
        return [p for p in self._processes.values() if p.serving or p.spec is not None]

    def _gather_from_page(self) -> Families:
        """Gathers the figures from the page's thread."""
        gathering = asyncio.run_coroutine_threadsafe(self.figures(), self._loop)
        return gathering.result(2 * _FIGURES_SECONDS)

    async def _spawn(self, role: str, index: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            handed = theirs.fileno()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", _CODE, str(handed), f"dfd-{role}-{index}"),
                pass_fds=[handed],
                stdin=asyncio.subprocess.DEVNULL,
            )
        one = _Process(role, index, process, ControlChannel(ours), self._loop.time())
        self._processes[role, index] = one
        options = self.options
        one.control.send(
            Begin(
                role=role,
                index=index,
                options=replace(options, port=self.port, metrics_port=-1),
                loader=self._loader,
                workers=options.workers,
                instances=len(options.instances),
            ),
            [self._counts_descriptor, self._ledger_descriptor],
        )
        watch = asyncio.create_task(self._watch(one), name=f"watch {one.name}")
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    async def _watch(self, one: _Process) -> None:
        """Reads a process's messages until it ends, then starts another in its place."""
        try:
            while (got := await one.control.receive()) is not None:
                self._hear(one, got[0])
            status = await one.process.wait()
        finally:
            if one.process.returncode is None:
                one.process.kill()
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
        await asyncio.sleep(self._next_delay(one))
        await self._spawn(one.role, one.index)

    def _next_delay(self, one: _Process) -> float:
        """Returns the delay before a restart, which grows if a process keeps dying early."""
        if self._loop.time() - one.started_at > _LONG_LIFE_SECONDS:
            self._delays.pop((one.role, one.index), None)
        delay = self._delays.get((one.role, one.index), _FIRST_RESTART_SECONDS)
        self._delays[one.role, one.index] = min(2 * delay, _LAST_RESTART_SECONDS)
        return delay

    def _hear(self, one: _Process, message: ControlMessage) -> None:
        one.unanswered = 0
        if isinstance(message, Warm):
            one.spec = message.spec
            if self._started:
                for worker in self._all("worker"):
                    self._introduce(worker, one)
        elif isinstance(message, Bound):
            one.bound = True
            if self._started:
                for instance in self._all("instance"):
                    self._introduce(one, instance)
        elif isinstance(message, Serving):
            one.serving = message.serving
            self._publish()
            if any(other.watched for other in self._all("worker") if other is not one):
                one.control.send(Show(True))
        elif isinstance(message, Figures):
            one.figures = message.families
            report = self._reports.get(message.number)
            if report is not None and not report[1].done():
                report[1].set_result(message.families)
        elif isinstance(message, Watched):
            one.watched = message.watched
            self._let_see(one)
        elif isinstance(message, Shown):
            for worker in self._all("worker"):
                if worker.watched and worker is not one:
                    worker.control.send(message)
        elif isinstance(message, Ended):
            one.end = message
            if message.mistake is not None:
                self._mistake = self._mistake or message.mistake
                if self._started:
                    log(
                        logging.ERROR, "process cannot start", process=one.name, why=message.mistake
                    )
                one.control.send(Stop())
        self._changed.set()

    def _let_see(self, changed: _Process) -> None:
        """Makes workers share their streams with those that are watched now."""
        workers = self._all("worker")
        for worker in workers:
            if worker is not changed:
                others = any(other.watched for other in workers if other is not worker)
                worker.control.send(Show(others))

    def _introduce(self, worker: _Process, instance: _Process) -> None:
        """Connects a worker and an instance that are both up, by a socket and the slots."""
        if not worker.bound or instance.spec is None:
            return
        model = self.options.instances[instance.index].models[0]
        if model not in worker.slots:
            worker.slots[model] = WindowSlots.allocate(_SLOTS, instance.spec.window_samples)
        slots = worker.slots[model]
        for_worker, for_instance = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with for_worker, for_instance:
            worker.control.send(
                Connect(instance.index, instance.spec), [for_worker.fileno(), slots]
            )
            instance.control.send(
                Connect(worker.index, instance.spec), [for_instance.fileno(), slots]
            )

    def _reap(self, one: _Process) -> None:
        """Releases what a process held, and keeps what it counted."""
        if one.end is None:
            one.end = Ended(drained=False)
        if self._processes.get((one.role, one.index)) is one:
            del self._processes[one.role, one.index]
        if one.role == "worker":
            self._counts.clear_worker(one.index)
            self._ledger.clear_worker(one.index)
            for worker in self._all("worker"):
                if worker.watched:
                    worker.control.send(Gone(one.index))
            if one.watched:
                self._let_see(one)
        for slots in one.slots.values():
            os.close(slots)
        self._retired = merge([self._retired, lasting(one.figures)])
        self._publish()
        self._changed.set()

    def _publish(self) -> None:
        """Publishes the figures that only the supervisor knows."""
        complete = self._started and all(p.serving for p in self._all("worker"))
        complete = complete and len(self._processes) == self._expected and not self._ending
        self.metrics.ready.set(complete)

    @property
    def _expected(self) -> int:
        return self.options.workers + len(self.options.instances)

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Waits until messages of the processes make a condition true.

        Raises:
            UserError: if one of them could not start.
        """
        while not condition():
            if self._mistake is not None and not self._started:
                raise UserError(self._mistake)
            self._changed.clear()
            await self._changed.wait()

    async def _until_gone(self, processes: Iterable[_Process]) -> None:
        waits = [asyncio.ensure_future(one.process.wait()) for one in processes]
        if not waits:
            return
        _, left = await asyncio.wait(waits, timeout=_STOP_SECONDS)
        for one in processes:
            if one.process.returncode is None:
                log(logging.ERROR, "process did not stop, killed", process=one.name)
                one.process.kill()
        if left:
            await asyncio.wait(left)


async def run_supervisor(
    options: ServeOptions, announce: Callable[[str], None], loader: str = LOAD_MODEL
) -> Ending:
    """Serves with several processes until SIGTERM or SIGINT; a second signal stops at once.

    Args:
        options: how to serve.
        announce: called with the ready line.
        loader: "module:function" that makes the warm classifier of an instance.

    Raises:
        UserError: if an option is wrong.
    """
    if not hasattr(os, "memfd_create"):
        raise UserError("several workers or devices need Linux; use --workers 1 and one device")
    loop = asyncio.get_running_loop()
    signals: asyncio.Queue[None] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.put_nowait, None)
    check_doors(options)
    if options.resume_key is None:
        share_with_children()
    supervisor = Supervisor(options, loader)
    loop.add_signal_handler(signal.SIGHUP, reread_as_asked, supervisor.reread)
    # it replaces processes that hang by itself, so it is well as long as it runs
    alive = asyncio.create_task(systemd.keep_alive(lambda: True))
    drained = True
    try:
        if await unless_signal(supervisor.start(), signals):
            announce(supervisor.ready_line)
            systemd.ready()
            await signals.get()
            systemd.stopping()
            drained = await unless_signal(supervisor.drain(), signals)
            log(logging.INFO, "drained" if drained else "ended with streams running")
    finally:
        alive.cancel()
        await supervisor.stop()
    return Ending(drained, device_idle=True)
