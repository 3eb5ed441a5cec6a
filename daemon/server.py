"""The daemon's life: bind, warm, serve, drain, end."""

import asyncio
import importlib.metadata
import logging
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self

import grpc.aio

from dfd.daemon.admission import Admission
from dfd.daemon.auth import Authenticator, read_tokens
from dfd.daemon.engine.device import DeviceThread
from dfd.daemon.health import SERVICE as HEALTH_SERVICE
from dfd.daemon.health import HealthServicer, add_health
from dfd.daemon.listen import address, bind, channel_options, is_loopback
from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics, MetricsPage
from dfd.daemon.options import ServeOptions, UserError
from dfd.daemon.reflection import add_reflection
from dfd.daemon.runtime import Detector, DrainPlan, Engine, Runtime
from dfd.daemon.engine.scheduler import Scheduler, SchedulerOptions
from dfd.daemon.service import SERVICE, DetectionService

# after the last stream: for statuses that are still on their way
_LAST_WORDS_SECONDS = 0.5
_DEVICE_JOIN_SECONDS = 1.0

Loader = Callable[[ServeOptions], Detector]


def load_model(options: ServeOptions) -> Detector:
    """Loads and warms the model; torch is imported here and not before.

    Raises:
        UserError: there is no such model or device.
    """
    from dfd.detector import DetectorError, load_detector

    try:
        return load_detector(
            options.model,
            device=options.device,
            precision=options.precision,
            batch_buckets=options.batch_buckets,
            threads=options.threads,
            overrides=options.overrides,
        )
    except DetectorError as error:
        raise UserError(str(error)) from error


class Server:
    """One daemon in this process and event loop.

    Args:
        load: makes the warm classifier, in the device's own thread.
    """

    def __init__(self, options: ServeOptions, load: Loader = load_model) -> None:
        self.options = options
        self.metrics = Metrics()
        self.port = 0
        self.page: MetricsPage | None = None
        tokens = None if options.token_file is None else read_tokens(options.token_file)
        self.runtime = Runtime(
            options=options,
            version=importlib.metadata.version("dfd"),
            metrics=self.metrics,
            admission=Admission(options.max_streams, options.retry_seconds, self.metrics),
            auth=Authenticator(tokens),
        )
        self._load = load
        self._health = HealthServicer((SERVICE,))
        self._grpc: grpc.aio.Server | None = None
        self._device = DeviceThread()

    @property
    def ready_line(self) -> str:
        """What is said on standard output once streams are taken."""
        where = address(self.options.host, self.port)
        metrics = f" (metrics {self.page.url})" if self.page is not None else ""
        return f"dfd ready on {where}{metrics}"

    async def bind(self) -> None:
        """Takes the ports; calls are answered UNAVAILABLE until `warm`.

        Raises:
            UserError: a port cannot be had, or TLS is set up wrongly.
        """
        options = self.options
        server = grpc.aio.server(options=channel_options(options))
        server.add_generic_rpc_handlers([DetectionService(self.runtime).handler()])
        add_health(server, self._health)
        add_reflection(server, (SERVICE, HEALTH_SERVICE))
        self.port = bind(server, options)
        self._grpc = server
        if options.serves_metrics:
            self.page = MetricsPage(self.metrics, options.metrics_host, options.metrics_port)
        await server.start()
        log(logging.INFO, "listening", address=address(options.host, self.port))
        open_doors = [
            *(["TLS"] if options.tls_cert is None else []),
            *([] if self.runtime.auth.required else ["tokens"]),
        ]
        if open_doors and not is_loopback(options.host):
            log(
                logging.WARNING,
                f"others can reach this port, without {' and without '.join(open_doors)}",
                host=options.host,
            )

    async def warm(self) -> bool:
        """Loads the model and starts to serve; True when that is done.

        Raises:
            UserError: there is no such model or device.
        """
        options = self.options
        detector = await self._device.run(lambda: self._load(options))
        spec = detector.spec
        scheduler = Scheduler(
            detector,
            SchedulerOptions(
                window_samples=spec.window_samples,
                batch_buckets=spec.batch_buckets,
                max_queue_delay_seconds=options.max_queue_delay_seconds,
                queue_limit=options.queue_limit,
                batch_timeout_seconds=options.batch_timeout_seconds,
            ),
            self.metrics,
            self._device,
        )
        scheduler.start()
        self.runtime.warm(Engine(spec, scheduler))
        self._health.set_serving(True)
        log(
            logging.INFO,
            "serving",
            model=spec.name,
            version=spec.version,
            weights_sha256=spec.weights_sha256,
            device=spec.device,
            precision=spec.precision,
            batch_buckets=spec.batch_buckets,
        )
        return True

    async def drain(self) -> bool:
        """Takes no new streams and lets those that run end; False where some did not."""
        plan = DrainPlan(self.options.grace_seconds)
        log(
            logging.INFO,
            "draining",
            grace_seconds=plan.grace_seconds,
            streams=self.runtime.admission.active,
        )
        self._health.set_serving(False)
        self.runtime.drain(plan)
        return await self.runtime.admission.until_empty(plan.grace_seconds)

    async def stop(self, grace_seconds: float = 0.0) -> bool:
        """Closes everything; False where the device is still busy and cannot be stopped."""
        if self._grpc is not None:
            await self._grpc.stop(grace_seconds)
        if self.page is not None:
            self.page.close()
        if self.runtime.engine is not None:
            await self.runtime.engine.scheduler.stop()
        self._device.close()
        return await asyncio.to_thread(self._device.join, _DEVICE_JOIN_SECONDS)

    async def __aenter__(self) -> Self:
        try:
            await self.bind()
            await self.warm()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


@dataclass(frozen=True, slots=True)
class Ending:
    """How the daemon ended.

    Attributes:
        drained: every stream came to its end.
        device_idle: False where the device's thread is still busy and has to be left behind.
    """

    drained: bool
    device_idle: bool


async def run(
    options: ServeOptions, announce: Callable[[str], None], load: Loader = load_model
) -> Ending:
    """Serves until SIGTERM or SIGINT, then drains; a second signal ends at once.

    Args:
        options: how to serve.
        announce: takes the ready line.
        load: makes the warm classifier.

    Raises:
        UserError: a mistake of whoever started the daemon.
    """
    loop = asyncio.get_running_loop()
    server = Server(options, load)
    signals: asyncio.Queue[None] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.put_nowait, None)
    drained = True
    try:
        await server.bind()
        if await _unless_signal(server.warm(), signals):
            announce(server.ready_line)
            await signals.get()
            drained = await _unless_signal(server.drain(), signals)
            log(logging.INFO, "drained" if drained else "ended with streams running")
    finally:
        device_idle = await server.stop(_LAST_WORDS_SECONDS if drained else 0.0)
    return Ending(drained, device_idle)


async def _unless_signal(work: Coroutine[Any, Any, bool], signals: asyncio.Queue[None]) -> bool:
    """What the work returns; False where a signal came first."""
    task = asyncio.ensure_future(work)
    interrupt = asyncio.ensure_future(signals.get())
    try:
        await asyncio.wait({task, interrupt}, return_when=asyncio.FIRST_COMPLETED)
        return task.done() and task.result()
    finally:
        task.cancel()
        interrupt.cancel()
        await asyncio.gather(task, interrupt, return_exceptions=True)
