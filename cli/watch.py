"""`dfd watch`: all live streams of a daemon."""

from typing import Any

import click

from dfd.cli._connection import connection, server_options
from dfd.cli._errors import Verb
from dfd.cli._outputs import json_option

SORTS = ("score", "rolling", "alerts", "length", "id", "start")


@click.command(
    "watch",
    cls=Verb,
    examples=(
        "dfd watch --filter queue=sales --sort length",
        "dfd watch --json --alerts-only | jq -r '.streams[] | .stream_id'",
    ),
    read_on="docs/operations.md",
)
@server_options
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
    """Watch all streams of a daemon: labels, scores, verdict so far, alerts first.

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
    from dfd.clients.protocol.messages import message_dict
    from dfd.clients.runs.watch import follow
    from dfd.clients.watching import StreamsUpdate
    from dfd.v1 import detection_pb2 as pb

    where = connection(**others)
    console = result_console()
    view = WatchView(console, WatchState(where.server, sort, reverse, text, alerts_only))

    def write(update: StreamsUpdate) -> None:
        wanted = [
            stream
            for stream in update.streams
            if stream.matches(text) and (stream.alerted or not alerts_only)
        ]
        if wanted or update.snapshot:
            shown = pb.WatchStreamsResponse(
                snapshot=update.snapshot, streams=[stream.proto for stream in wanted]
            )
            click.echo(json.dumps(message_dict(shown), ensure_ascii=False))

    async def show_once(client: AsyncDetectionClient) -> None:
        async with aclosing(client.watch(interval)) as updates:
            update = await anext(updates)
        if as_json:
            write(update)
        else:
            view.take(update)
            console.print(view.picture())

    async def work() -> None:
        async with AsyncDetectionClient(where) as client:
            if once:
                await show_once(client)
            elif as_json:
                await follow(client, write, interval_seconds=interval)
            else:
                await view.run(follow(client, view.update, view.lost, interval_seconds=interval))

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(work())
