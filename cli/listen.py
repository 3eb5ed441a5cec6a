"""`dfd listen`: judges the microphone live."""

from pathlib import Path
from typing import Any, Literal

import click
from click.core import ParameterSource

from dfd.cli._actions import action_options
from dfd.cli._connection import connection, server_options
from dfd.cli._errors import Verb
from dfd.cli._judging import judging_options, stream_options
from dfd.cli._model import layout_options, require_model, serve_arguments
from dfd.cli._outputs import EventsFile, json_option
from dfd.cli._waiting import Waits
from dfd.errors import UserError


@click.command(
    "listen",
    cls=Verb,
    examples=(
        "dfd listen",
        "dfd listen --seconds 60 --on-alert file:alerts.jsonl --fail-on-alert",
    ),
    read_on="docs/cli.md; what the scores mean: README.md",
    epilog="Exit status: 0; 1 with --fail-on-alert if there was an alert; 2 on a mistake.",
)
@server_options
@click.option(
    "--input",
    "wanted",
    metavar="NUMBER|NAME",
    help="The microphone, by number or by part of its name.  [default: the system's]",
)
@click.option("--list-inputs", is_flag=True, help="List the inputs and exit.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Stop after this much audio.  [default: at Ctrl-C]",
)
@judging_options
@layout_options
@json_option("every event as a line of JSON")
@click.option(
    "--events",
    type=EventsFile(),
    metavar="FILE",
    help="Append every event to a file, as a line of JSON.",
)
@action_options
@click.option("--notify", is_flag=True, help="Show a desktop notification for each alert.")
@click.option("--fail-on-alert", is_flag=True, help="Exit with status 1 if there was an alert.")
def command(
    wanted: str | None,
    list_inputs: bool,
    seconds: float | None,
    as_json: bool,
    events: str | None,
    on_alerts: tuple[str, ...],
    on_summaries: tuple[str, ...],
    action_per: Literal["alert", "call"],
    spool: Path | None,
    webhook_secret_file: Path | None,
    notify: bool,
    fail_on_alert: bool,
    **others: Any,
) -> None:
    """Listen to the microphone and show whether a person or a machine is speaking.

    If no server is named and none answers, one is started for as long as this command runs, with
    the model that --model names (a folder, a checkpoint file or a hub id). Ctrl-C stops and shows
    the summary.
    """
    import asyncio
    import contextlib
    import dataclasses
    import signal
    import sys

    from rich.console import Console

    from dfd.clients.alerts.context import LineContext
    from dfd.clients.alerts.desktop import DesktopSink
    from dfd.clients.alerts.on_alert import on_alert, on_summary, read_secret
    from dfd.clients.alerts.sinks import EventSink, JsonLinesSink, Sinks
    from dfd.clients.client import AsyncDetectionClient
    from dfd.clients.display.live import ListenView, summary_lines
    from dfd.clients.display.meter import MeterState
    from dfd.clients.options import RetryPolicy
    from dfd.clients.runs.local_daemon import answers, local_daemon
    from dfd.clients.runs.microphone import Listening, listen
    from dfd.clients.runs.warming import when_warm
    from dfd.clients.sources import microphone

    if list_inputs:
        microphone.find_device(None)  # reports it if there is none
        for one in microphone.list_devices():
            mark = "*" if one.default else " "
            click.echo(f"{mark} {one.index:>3}  {one.name}  ({one.default_rate_hz} Hz)")
        return
    if as_json and events == "-":
        raise UserError("--json writes the events to standard output: name a file for --events")
    facts = serve_arguments(others)
    options = stream_options(others, {"source": "microphone"}, activity_events=True)
    where = connection(**others)
    device = microphone.find_device(wanted)
    microphone.check(device)
    here = click.get_current_context().get_parameter_source("server") is ParameterSource.DEFAULT
    here = here and not answers(where.server)
    if here:
        require_model(options.model)
    waits = Waits("listen")
    paths = (["-"] if as_json else []) + ([events] if events is not None else [])
    # rich measures the terminal by standard output, which --json reserves for the events
    console = Console(stderr=as_json, quiet=as_json)

    async def work(sinks: Sinks, stack: contextlib.ExitStack) -> tuple[ListenView, Listening]:
        stop, task = asyncio.Event(), asyncio.current_task()
        assert task is not None

        def end() -> None:
            """Ends with the summary; if called again, without it."""
            if stop.is_set():
                task.cancel()
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, end)

        contexts: dict[str, LineContext] = {}

        def on_event(stream_id: str, event: Any) -> None:
            context = contexts.setdefault(
                stream_id, LineContext(stream_id, "microphone", options.labels)
            )
            sinks.emit(stream_id, event, **context.beside(event))
            view.event(event)

        async with AsyncDetectionClient(where, retry=RetryPolicy(connect_seconds=3.0)) as client:
            with waits.bar(f"waiting for {where.server} and its model"):
                await when_warm(client, options.model)
            view = stack.enter_context(ListenView(console, MeterState(where.server, device.name)))
            return view, await listen(
                client,
                device,
                options,
                stop=stop,
                seconds=seconds,
                on_block=lambda block, elapsed: view.state.hear(block.content, elapsed),
                on_event=on_event,
            )

    with contextlib.ExitStack() as stack:
        every: list[EventSink] = [JsonLinesSink(path) for path in paths]
        secret = read_secret(webhook_secret_file)
        every += [on_alert(what, secret, action_per, spool) for what in on_alerts]
        every += [on_summary(what, secret, spool) for what in on_summaries]
        if notify:
            every.append(DesktopSink())
        sinks = stack.enter_context(Sinks(every))
        if here:
            click.echo(f"no server answers at {where.server}: starting one here", err=True)
            if options.model:
                facts.append(f"--model={options.model}")
                options = dataclasses.replace(options, model="")
            with waits.bar("starting a daemon, which loads its model"):
                server = stack.enter_context(local_daemon(facts))
            where = dataclasses.replace(where, server=server)
        elif facts:
            raise UserError(
                f"{where.server} has already loaded its model: give {facts[0].partition('=')[0]}"
                " to dfd serve when it is started"
            )
        try:
            view, result = asyncio.run(work(sinks, stack))
        except asyncio.CancelledError:
            raise UserError("interrupted before the summary arrived") from None
    if result.summary is not None:
        for line in summary_lines(result.summary, result.lost_seconds, view.state.rates):
            console.print(line, highlight=False, markup=False, soft_wrap=not console.is_terminal)
    if result.fault is not None:
        raise result.fault
    if fail_on_alert and result.alerts:
        sys.exit(1)
