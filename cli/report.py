"""`dfd report`: one page for a case file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfd.cli._connection import connection, server_options
from dfd.cli._errors import Verb
from dfd.cli._outputs import OutputFile
from dfd.cli._waiting import Waits

if TYPE_CHECKING:
    from dfd.clients import history
    from dfd.clients.client import AsyncDetectionClient
    from dfd.clients.display.casefile.page import CaseFile
    from dfd.clients.watching import WatchedStream

# a snapshot comes in messages of this many streams; one with fewer is the last
_WHOLE_ANSWER = 64


@click.command(
    "report",
    cls=Verb,
    examples=(
        "dfd report call.wav",
        "dfd report call-1041 --output case-17.html",
        "dfd report call-1041 --journal calls.sqlite --pdf",
    ),
    read_on="docs/console.md",
)
@click.argument("what", metavar="FILE|STREAM_ID")
@server_options
@click.option(
    "--journal",
    envvar="DFD_SERVE_JOURNAL",
    metavar="FILE|URL",
    show_envvar=True,
    help="The daemon's journal, for streams that have ended.",
)
@click.option(
    "--output",
    type=OutputFile(pipe=True),
    metavar="FILE",
    help="Where to write the page; - is standard output."
    "  [default: FILE.html or STREAM_ID.html in this folder]",
)
@click.option("--pdf", is_flag=True, help="Write a PDF; an output that ends in .pdf does the same.")
def command(what: str, journal: str | None, output: Path | None, pdf: bool, **others: Any) -> None:
    """Write one self-contained page about a recording or a stream.

    It states what was heard and when, the scores over time, the model with its weights' SHA-256,
    calibration, thresholds and error rates, what the figures mean, and the SHA-256 of the
    audio if that is kept. A recording is scored by the daemon. For a running stream the page
    shows its present state; for one that has ended, what the journal holds of the latest
    stream with that id.
    """
    import asyncio

    import jinja2  # noqa: F401 - before anything is judged in vain

    from dfd import __version__
    from dfd.clients.client import AsyncDetectionClient
    from dfd.clients.display.casefile import render

    pdf = pdf or (output is not None and output.suffix.lower() == ".pdf")
    if pdf:
        render.check_pdf()
    where = connection(**others)
    is_file = Path(what).exists()
    ended = None if is_file or journal is None else _newest(journal, what)

    async def make() -> "CaseFile":
        async with AsyncDetectionClient(where) as client:
            if is_file:
                return await _of_recording(client, what)
            return await _of_stream(client, what, ended, where.server, bool(journal))

    with Waits("report").bar(f"judging {what}" if is_file else f"looking for {what}"):
        page = render.html(asyncio.run(make()), __version__)
    _write(render.pdf(page) if pdf else page.encode(), output or _target(what, pdf))


async def _of_recording(client: "AsyncDetectionClient", path: str) -> "CaseFile":
    from dfd.clients.display.casefile import sources
    from dfd.clients.runs.judge import judge
    from dfd.clients.sources.recording import open_recording

    return sources.from_judgement(await judge(client, open_recording(path)))


async def _of_stream(
    client: "AsyncDetectionClient",
    stream_id: str,
    ended: "history.Call | None",
    server: str,
    has_journal: bool,
) -> "CaseFile":
    """Finds the stream; one that has ended in the journal needs no daemon."""
    from dfd.clients.display.casefile import sources
    from dfd.clients.errors import DetectionError
    from dfd.errors import UserError

    if ended is not None and ended.ended_at is not None:
        return sources.from_history(ended)
    try:
        running = await _running(client, stream_id)
        if running is not None:
            return sources.from_watched(running, await client.server_info())
    except DetectionError:
        if ended is None:
            raise
    if ended is not None:
        return sources.from_history(ended)
    if has_journal:
        raise UserError(
            f"{stream_id} is neither a file, nor a running stream on {server}, nor in the journal"
        )
    raise UserError(
        f"{stream_id} is neither a file nor a running stream on {server};"
        " for one that has ended, name the daemon's journal with --journal"
    )


async def _running(client: "AsyncDetectionClient", stream_id: str) -> "WatchedStream | None":
    from contextlib import aclosing

    async with aclosing(client.watch()) as updates:
        async for update in updates:
            for stream in update.streams:
                if stream.stream_id == stream_id:
                    return stream
            if len(update.streams) < _WHOLE_ANSWER:
                break
    return None


def _newest(journal: str, stream_id: str) -> "history.Call | None":
    """Returns the latest call with an id."""
    from dfd.clients import history
    from dfd.daemon.journal.store import Query, Store

    store = Store(journal, create=False)
    try:
        found = list(store.calls(Query(stream_id=stream_id, limit=1, whole=True)))
    finally:
        store.close()
    return history.call(found[0]) if found else None


def _target(what: str, pdf: bool) -> Path:
    import re

    stem = re.sub(r"[^\w.-]", "_", Path(what).name)
    return Path(f"{stem}.{'pdf' if pdf else 'html'}")


def _write(page: bytes, target: Path) -> None:
    from dfd.errors import UserError

    if str(target) == "-":
        click.echo(page, nl=False)
        return
    try:
        target.write_bytes(page)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}") from None
    click.echo(f"wrote {target}", err=True)
