"""`dfd report`: one page for a case file."""

from pathlib import Path
from typing import Any

import click

from dfd.cli._connection import connection, server_options
from dfd.cli._errors import Verb

# a snapshot comes in messages of this many streams; one with fewer is the last
_WHOLE_ANSWER = 64


@click.command(
    "report",
    cls=Verb,
    examples=("dfd report call.wav", "dfd report call-1041 --output case-17.html"),
    read_on="README.md for what the scores mean",
)
@click.argument("what", metavar="FILE|STREAM_ID")
@server_options
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the page; - is standard output."
    "  [default: FILE.html or STREAM_ID.html in this folder]",
)
def command(what: str, output: Path | None, **others: Any) -> None:
    """Write one self-contained HTML page about a recording or a running stream.

    It states what was heard and when, the scores over time, the model with its weights' SHA-256,
    thresholds and error rates, what the figures mean, and the SHA-256 of the recording. A
    recording is scored by the daemon; for a stream the page shows its present state.
    """
    import asyncio
    import re
    from contextlib import aclosing

    import jinja2  # noqa: F401 - before anything is judged in vain

    from dfd import __version__
    from dfd.clients.client import AsyncDetectionClient
    from dfd.clients.display import casefile
    from dfd.clients.runs.judge import judge
    from dfd.clients.sources.recording import open_recording
    from dfd.clients.watching import WatchedStream
    from dfd.errors import UserError

    where = connection(**others)

    async def of_recording(client: AsyncDetectionClient) -> casefile.CaseFile:
        return casefile.from_judgement(await judge(client, open_recording(what)))

    async def of_stream(client: AsyncDetectionClient) -> casefile.CaseFile:
        streams: list[WatchedStream] = []
        async with aclosing(client.watch()) as updates:
            async for update in updates:
                streams = [one for one in update.streams if one.stream_id == what]
                if streams or len(update.streams) < _WHOLE_ANSWER:
                    break
        if not streams:
            raise UserError(f"{what} is neither a file nor a running stream on {where.server}")
        return casefile.from_watched(streams[0], await client.server_info())

    exists = Path(what).exists()

    async def make() -> casefile.CaseFile:
        async with AsyncDetectionClient(where) as client:
            return await (of_recording(client) if exists else of_stream(client))

    page = casefile.render(asyncio.run(make()), __version__)
    if str(output) == "-":
        click.echo(page, nl=False)
        return
    stem = re.sub(r"[^\w.-]", "_", Path(what).name)
    target = output or Path(f"{stem}.html")
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}") from None
    click.echo(f"wrote {target}", err=True)
