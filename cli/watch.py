"""`dfd watch`: all live streams of a daemon."""

from collections.abc import Callable, Coroutine
from typing import Any

import click

from dfd.cli._connection import connections, servers_options
from dfd.cli._errors import Verb
from dfd.cli._outputs import json_option

SORTS = ("score", "rolling", "alerts", "length", "id", "start")


@click.command(
    "watch",
    cls=Verb,
    examples=(
        "dfd watch --filter queue=sales --sort length",
        "dfd watch --server node-1:50051 --server node-2:50051",
        "dfd watch --json --alerts-only | jq -r '.streams[] | .stream_id'",
    ),
    read_on="docs/operations.md",
)
@servers_options
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    default="score",
    show_default=True,
    help="Sort order of the streams; those with an alert always come first.",
)
@click.option("--reverse", is_flag=True, help="Reverse the order.")
@click.option(
    "--filter",
    "text",
    default="",
    metavar="WORDS",
    help="Show only streams whose id, labels or address contain every word; a label is written"
    " name=value.",
)
@click.option("--alerts-only", is_flag=True, help="Show only streams with an alert.")
@click.option(
    "--interval-seconds",
    "interval",
    type=click.FloatRange(0.1, 60),
    default=0.5,
    show_default=True,
    metavar="SECONDS",
    help="Shortest time between two updates.",
)
@json_option("every update as a line of JSON")
@click.option("--once", is_flag=True, help="Show what is running now and exit.")
def command(
    sort: str,
    reverse: bool,
    text: str,
    alerts_only: bool,
    interval: float,
    as_json: bool,
    once: bool,
    **others: Any,
) -> None:
    """Watch all streams of one or several daemons: labels, scores, verdict so far, alerts first.

    On a terminal a table is updated in place: s changes the order, r reverses it, a shows only
    alerts, q quits. Otherwise a line is written whenever a stream begins, alerts or ends. If the
    daemon requires tokens, the token must allow watch.
    """
    import asyncio
    import contextlib
    import json
    from contextlib import aclosing

    from dfd.clients.client import AsyncDetectionClient
    from dfd.clients.display.tables import result_console
    from dfd.clients.display.watch import WatchState, WatchView
    from dfd.clients.errors import DetectionError
    from dfd.clients.options import Connection
    from dfd.clients.protocol.messages import message_dict
    from dfd.clients.runs.watch import follow
    from dfd.clients.transport.trouble import diagnose
    from dfd.clients.watching import Several, StreamsUpdate
    from dfd.errors import UserError
    from dfd.v1 import detection_pb2 as pb

    everywhere = connections(**others)
    several = Several() if len(everywhere) > 1 else None
    console = result_console()
    names = ", ".join(where.server for where in everywhere)
    view = WatchView(console, WatchState(names, sort, reverse, text, alerts_only))

    def write(update: StreamsUpdate, server: str = "") -> None:
        wanted = [
            stream
            for stream in update.streams
            if stream.matches(text) and (stream.alerted or not alerts_only)
        ]
        if wanted or update.snapshot:
            shown = pb.WatchStreamsResponse(
                snapshot=update.snapshot, streams=[stream.proto for stream in wanted]
            )
            origin = {"server": server} if server else {}
            click.echo(json.dumps(origin | message_dict(shown), ensure_ascii=False))

    def show(update: StreamsUpdate, server: str = "") -> None:
        view.update(update if several is None else several.take(server, update), server)

    async def show_once(where: Connection) -> None:
        server = where.server if several else ""
        async with (
            AsyncDetectionClient(where) as client,
            aclosing(client.watch(interval)) as updates,
        ):
            update = await anext(updates)
        if as_json:
            write(update, server)
        else:
            view.take(update if several is None else several.take(server, update))

    async def watch(where: Connection) -> None:
        server = where.server if several else ""
        async with AsyncDetectionClient(where) as client:
            await follow(
                client,
                lambda update: (write if as_json else show)(update, server),
                lambda error: None if as_json else view.lost(error, server),
                interval_seconds=interval,
                wait_for_server=several is not None,
            )

    async def named(work: Coroutine[None, None, None], where: Connection) -> None:
        try:
            await work
        except DetectionError as error:
            raise UserError(diagnose(error, where).advice) from None

    async def each(what: Callable[[Connection], Coroutine[None, None, None]]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for where in everywhere:
                    group.create_task(named(what(where), where))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def work() -> None:
        if once:
            await each(show_once)
            if not as_json:
                console.print(view.picture())
        elif as_json:
            await each(watch)
        else:
            await view.run(each(watch))

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(work())
