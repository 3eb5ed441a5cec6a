"""The daemon's life: bind, warm, serve, drain, end."""

import asyncio
import functools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import grpc.aio

from dfd import __version__
from dfd.daemon.endpoint.address import address
from dfd.daemon.endpoint.admission import Admission, Phase, StreamQuota
from dfd.daemon.endpoint.bind import bind, channel_options, most_rpcs
from dfd.daemon.endpoint.doors import check_doors
from dfd.daemon.endpoint.health import SERVICE as HEALTH_SERVICE
from dfd.daemon.endpoint.health import HealthServicer, add_health
from dfd.daemon.endpoint.ledger import Ledger
from dfd.daemon.endpoint.pace import Paces
from dfd.daemon.endpoint.reflection import add_reflection
from dfd.daemon.endpoint.secrets import Secrets
from dfd.daemon.endpoint.shares import Shares
from dfd.daemon.endpoint.uploads import Uploads
from dfd.daemon.journal.clipfolder import ClipFolder
from dfd.daemon.journal.journal import open_journal
from dfd.daemon.lifecycle import ready_line
from dfd.daemon.load import load_model
from dfd.daemon.logs import log, model_fields
from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions
from dfd.daemon.page import MetricsPage
from dfd.daemon.readiness import Readiness
from dfd.daemon.rpc.rehearse import rehearse
from dfd.daemon.runtime import DrainPlan, Runtime
from dfd.daemon.scheduling.contract import ModelSource, ServedModel
from dfd.daemon.scheduling.lineup import check_lineup, line_up
from dfd.daemon.scheduling.local import LocalModels
from dfd.daemon.scheduling.model_slots import Loader
from dfd.daemon.service import SERVICE, DetectionService
from dfd.daemon.tracing import Tracing
from dfd.daemon.unread import UnreadRpcs
from dfd.daemon.vitals.capacity import Capacity
from dfd.daemon.vitals.descriptors import keep_watch, raise_limit
from dfd.daemon.vitals.vitals import Vitals
from dfd.daemon.watermarks.reader import WatermarkReader
from dfd.detector.watermarks.schemes import named
from dfd.errors import UserError

# after the last stream, for statuses that are still in flight
LAST_WORDS_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Shared:
    """What a server shares with other processes that serve the same port."""

    source: ModelSource
    quota: StreamQuota
    ledger: Ledger
    metrics: Metrics


class Server:
    """One daemon in this process and event loop, or one process of a daemon of several.

    Args:
        load: creates the warm classifier, in the device's own thread.
        shared: given if the model is in another process; `load` is not used then.

    Attributes:
        readiness: whether streams are accepted.
    """

    def __init__(
        self, options: ServeOptions, load: Loader = load_model, shared: Shared | None = None
    ) -> None:
        self.options = options
        self.metrics = metrics = Metrics() if shared is None else shared.metrics
        self.port = 0
        self.page: MetricsPage | None = None
        check_doors(options)
        self._secrets = Secrets(options)
        self._rereading: asyncio.Task[None] | None = None
        self._descriptors: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.runtime = Runtime(
            options=options,
            version=__version__,
            metrics=metrics,
            admission=Admission(
                options.max_streams,
                options.retry_seconds,
                metrics,
                None if shared is None else shared.quota,
            ),
            auth=self._secrets.auth,
            seal=self._secrets.seal,
            shares=Shares(options, None if shared is None else shared.ledger),
            paces=Paces(options, None if shared is None else shared.ledger),
            uploads=Uploads(options.upload_bytes_by_worker),
            capacity=Capacity(
                time.monotonic,
                options.deadline_seconds,
                options.retry_seconds,
                None if shared is None else lambda: shared.quota.taken,
            ),
        )
        self._shares_port = shared is not None
        self._source: ModelSource = (
            LocalModels(options, metrics, load) if shared is None else shared.source
        )
        self._health = HealthServicer((SERVICE,))
        self._grpc: grpc.aio.Server | None = None
        self.readiness = Readiness(self.runtime, self._health, lambda: self.well)
        self._vitals = Vitals(options, metrics, self.runtime.capacity, self.readiness.pulse_changed)

    @property
    def ready_line(self) -> str:
        """Returns the line printed on standard output once streams are accepted."""
        return ready_line(self.options, self.port, self.page)

    async def bind(self) -> None:
        """Binds the ports; calls are answered with UNAVAILABLE until `warm`.

        Raises:
            UserError: if a port or the journal is unavailable, or TLS is configured wrongly.
        """
        options = self.options
        shared = self._shares_port
        if options.otlp_endpoint is not None:
            self.metrics.tracing = Tracing(options.otlp_endpoint, __version__)
        if options.journal is not None:
            self.runtime.journal = open_journal(options, self.metrics)
        if options.evidence_clips is not None:
            journal = self.runtime.journal
            self.runtime.clips = ClipFolder(
                options.evidence_clips,
                options.clip_days,
                options.clip_bytes,
                None if journal is None else journal.put_clip,
            )
        if schemes := named(options.watermarks):
            from dfd.detector.watermarks.readers import check_weights  # imports torch

            check_weights(schemes)
            self.runtime.watermarks = WatermarkReader(schemes, self.metrics)
            self.runtime.watermarks.start()
        UnreadRpcs().observe(asyncio.get_running_loop())
        server = grpc.aio.server(
            options=channel_options(options, shared=shared),
            maximum_concurrent_rpcs=most_rpcs(options),
        )
        server.add_generic_rpc_handlers([DetectionService(self.runtime).handler()])
        if options.health:
            add_health(server, self._health)
        if options.reflection:
            add_reflection(server, (SERVICE, *([HEALTH_SERVICE] if options.health else [])))
        self.port = bind(server, options, self._secrets.credentials, shared=shared)
        self._grpc = server
        if options.serves_metrics:
            self.page = MetricsPage(
                self.metrics.registry,
                options.metrics_host,
                options.metrics_port,
                lambda: self.runtime.admission.phase is Phase.SERVING,
                options.handover,
            )
        await server.start()
        raise_limit()
        self._descriptors = asyncio.create_task(keep_watch(self.metrics), name="dfd-descriptors")
        if options.reload_seconds:
            self._rereading = asyncio.create_task(self._reread_changed(), name="dfd-reread")
        log(logging.INFO, "listening", address=address(options.host, self.port))

    @property
    def well(self) -> bool:
        """Whether windows are being scored, as far as is known."""
        return self._vitals.well

    def reread(self) -> None:
        """Reads tokens, keys and certificates again; if they are wrong nothing changes."""
        try:
            self._secrets.reread()
        except UserError as error:
            log(logging.ERROR, "not reread, keeping the previous ones", why=str(error))
        else:
            log(logging.INFO, "tokens, keys and certificates reread")

    async def _reread_changed(self) -> None:
        while True:
            await asyncio.sleep(self.options.reload_seconds)
            if self._secrets.changed():
                self.reread()

    async def warm(self) -> bool:
        """Loads the models and starts serving; returns True when done.

        Raises:
            UserError: if there is no such model or device.
        """
        models = await self._source.start()
        rehearse(models[0].spec)
        check_lineup(self.options, [model.spec for model in models])
        watched = await self._vitals.watch(models)
        lineup = line_up(self.options, watched, self.metrics)
        if self.runtime.watermarks is not None:
            await self.runtime.watermarks.until_ready()
        self.runtime.warm(lineup)
        self._follow_changes(watched)
        self.readiness.set_model(True)
        for model in lineup.values():
            log(logging.INFO, "serving", **model_fields(model.spec))
        return True

    def _follow_changes(self, models: Sequence[ServedModel]) -> None:
        """Starts to announce replacements of models."""
        for model, one in zip(models, self._source.replaceables, strict=True):
            self.runtime.replaceables[model.scheduler] = one
            one.on_change = functools.partial(self.runtime.change, model.scheduler)
            if one.active != model.spec:  # other processes did that while this one started
                one.on_change(one.active)

    def pause(self) -> None:
        """Accepts no new streams while there is no model; running ones continue."""
        self.readiness.set_model(False)

    def resume(self) -> None:
        """Accepts streams again."""
        self.readiness.set_model(self._vitals.watching)

    async def drain(self) -> bool:
        """Accepts no new streams and waits for running ones; returns False if some did not end."""
        plan = DrainPlan(self.options.grace_seconds)
        log(
            logging.INFO,
            "draining",
            grace_seconds=plan.grace_seconds,
            streams=self.runtime.admission.active,
        )
        self._health.set_serving(False)
        self.runtime.drain(plan)
        if self.options.handover and self._grpc is not None:
            # closes the port and tells clients to reconnect; running calls continue
            last = plan.grace_seconds + LAST_WORDS_SECONDS
            self._closing = asyncio.create_task(self._grpc.stop(last), name="dfd-closing")
            if self.page is not None:
                await asyncio.to_thread(self.page.close)
        return await self.runtime.admission.until_empty(plan.grace_seconds)

    async def stop(self, grace_seconds: float = 0.0) -> bool:
        """Closes everything; returns False if the device is still busy and cannot be stopped."""
        self.runtime.roster.closed.set()
        for task in (self._rereading, self._descriptors):
            if task is not None:
                task.cancel()
        if self._grpc is not None:
            await self._grpc.stop(grace_seconds)
        if self._closing is not None:
            await self._closing
        if self.page is not None:
            self.page.close()
        await self._vitals.stop()
        if self.runtime.watermarks is not None:
            await self.runtime.watermarks.stop()
        if self.runtime.clips is not None:  # before the journal, which records the last of them
            await asyncio.to_thread(self.runtime.clips.close)
            self.runtime.clips = None
        if self.runtime.journal is not None:
            await self.runtime.journal.close()
            self.runtime.journal = None
        idle = await self._source.stop()
        if self.metrics.tracing is not None:
            await asyncio.to_thread(self.metrics.tracing.close)
            self.metrics.tracing = None
        return idle

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
