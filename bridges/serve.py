"""Runs one bridge from start to end, once the options of `dfd bridge` have been read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dfd.bridges import health
from dfd.bridges.daemon_watch import DaemonWatch
from dfd.bridges.exchange import Exchange
from dfd.bridges.log import configure, log
from dfd.bridges.metrics import expose
from dfd.bridges.options import LIVE_RETRY, BridgeOptions
from dfd.bridges.plans import Plan, written
from dfd.clients.alerts.actions import ActionPer
from dfd.clients.alerts.on_alert import JsonLinesLog, on_alert, on_summary, read_secret
from dfd.clients.alerts.sinks import EventSink, Sinks
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.options import Connection
from dfd.clients.transport.trouble import Trouble
from dfd.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings common to all bridges."""

    connection: Connection
    options: BridgeOptions
    on_alerts: tuple[str, ...] = ()
    on_summaries: tuple[str, ...] = ()
    action_per: ActionPer = "alert"
    webhook_secret_file: Path | None = None
    spool: Path | None = None
    events: str | None = None
    metrics: tuple[str, int] | None = None
    log_level: str = "info"
    log_format: str = "text"


def run(plan: Plan, settings: Settings) -> None:
    """Runs until a signal says to stop.

    Raises:
        UserError: if part of the settings is unavailable.
    """
    configure(settings.log_level, settings.log_format)
    every: list[EventSink] = []
    try:
        secret = read_secret(settings.webhook_secret_file)
        if settings.events is not None:
            every.append(JsonLinesLog(settings.events))
        per, spool = settings.action_per, settings.spool
        every += [on_alert(what, secret, per, spool) for what in settings.on_alerts]
        every += [on_summary(what, secret, spool) for what in settings.on_summaries]
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(plan, settings, Sinks(every)))
    finally:
        for sink in every:
            sink.close()


async def _serve(plan: Plan, settings: Settings, sinks: Sinks) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncDetectionClient(settings.connection, retry=LIVE_RETRY) as client:
        exchange = Exchange(client, settings.options, sinks)
        watch = DaemonWatch(client, settings.connection, exchange.daemon_changed)
        exchange.trouble = Trouble("starting", "the daemon has not answered yet")
        watching = asyncio.create_task(watch.run())
        stop_metrics: Callable[[], None] | None = None
        if settings.metrics is not None:
            stop_metrics, port = expose(
                exchange.metrics, *settings.metrics, lambda: _page(exchange, plan.name)
            )
            url = f"http://{written(settings.metrics[0], port)}/metrics"
            log(logging.INFO, "metrics ready", url=url)
        try:
            try:
                where, stop_server = await plan.start(exchange)
            except OSError as error:
                raise UserError(f"the {plan.name} bridge cannot listen: {error}") from None
            # standard output may be reserved for events
            output = sys.stderr if settings.events == "-" else sys.stdout
            print(f"dfd bridge {plan.name} ready on {where}", file=output, flush=True)
            try:
                await stop.wait()
            finally:
                await stop_server()
                await exchange.aclose()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            if stop_metrics is not None:
                await asyncio.to_thread(stop_metrics)


def _page(exchange: Exchange, protocol: str) -> tuple[bool, bytes]:
    well, page = health.health(exchange, protocol)
    return well, health.written(page)
