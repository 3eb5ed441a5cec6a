"""`dfd models`: lists, fetches and inspects detectors, and replaces those of a daemon."""

import json
from collections.abc import Callable
from typing import Any

import click

from dfd.cli._connection import connection, server_options
from dfd.cli._errors import PlainVerb, Verb
from dfd.cli._groups import VerbGroup
from dfd.cli._model import model_overrides, override_options
from dfd.cli._model_speed import speed_here
from dfd.cli._outputs import json_option
from dfd.cli._waiting import Waits

_READ_ON = "docs/reference-systems.md"


@click.group("models", cls=VerbGroup)
def command() -> None:
    """List, fetch and inspect public detectors, and replace the model of a running daemon.

    Serve a fetched detector by its name: dfd serve --model NAME.
    """


@command.command(
    "list",
    cls=PlainVerb,
    examples=("dfd models list", "dfd models list --json"),
    read_on=_READ_ON,
)
@json_option("one line of JSON for each model")
@click.option(
    "--measure",
    is_flag=True,
    help="Measure the windows per second of those that have been fetched, instead of showing what"
    " was measured on this machine before.",
)
def list_command(as_json: bool, measure: bool) -> None:
    """List the known detectors: source, licence, size, published figures, whether fetched.

    The figures are the authors' own equal error rates; --json names the sources.
    """
    import dataclasses

    from dfd.detector.catalogue import DETECTORS
    from dfd.detector.files import pulled
    from dfd.detector.files.bundled import BUNDLED

    rows: list[dict[str, Any]] = []
    for one in DETECTORS:
        path = pulled.find(one.name)
        row = dataclasses.asdict(one) | {"here": None if path is None else str(path)}
        if path is not None:
            row |= speed_here(one.name, measure)
        rows.append(row)
    bundled = speed_here(BUNDLED, measure).get("windows_per_second")
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    _print_table(rows, bundled)


@command.command(
    "pull",
    cls=PlainVerb,
    examples=("dfd models pull aasist", "dfd models pull organisation/model"),
    read_on=_READ_ON,
)
@click.argument("name")
def pull_command(name: str) -> None:
    """Fetch a public detector by its name in the list or by its hub id.

    Prints its path; --model takes the path or the name.
    """
    from dfd.detector.catalogue import named
    from dfd.detector.files import pulled

    detector = named(name)
    if detector is not None:
        click.echo(f"{detector.title}; licence: {detector.licence}; {detector.page}", err=True)
    with Waits("models pull").bar(f"fetching {name}") as tick:
        before = 0

        def tell(done: int, total: int | None) -> None:
            nonlocal before
            size = "" if total is None else f" of {total / 1e6:.1f}"
            tick(done - before, f"{done / 1e6:.1f}{size} MB")
            before = done

        path = pulled.pull(name, tell)
    click.echo(str(path))


@command.command(
    "inspect",
    cls=PlainVerb,
    examples=("dfd models inspect bundled", "dfd models inspect --json best.pt"),
    read_on=_READ_ON,
)
@click.argument("model", metavar="MODEL")
@override_options
@json_option("the facts as JSON")
def inspect_command(model: str, as_json: bool, **others: Any) -> None:
    """Inspect a model: what it is, how it is served, or what is missing.

    MODEL is a checkpoint file, a folder, a hub id or a name in the list.
    """
    from dfd.cli.info import show_model

    show_model(model, model_overrides(others), as_json=as_json, verb="models inspect")


def _running(action: str, *examples: str) -> Callable[[Callable[..., None]], click.Command]:
    """Makes a command that replaces a model of a running daemon."""

    def decorate(function: Callable[..., None]) -> click.Command:
        for option in (
            json_option("the state of the model as JSON"),
            server_options,
            click.option(
                "--replace",
                "served",
                default="",
                metavar="NAME",
                help="The served model, as the server lists it.  [default: the server's first]",
            ),
        ):
            function = option(function)
        verb = command.command(action, cls=Verb, examples=examples, read_on="docs/operations.md")
        return verb(function)

    return decorate


@_running("load", "dfd models load better.pt", "dfd models load --replace bundled ./better")
@click.argument("source", metavar="MODEL")
def load_command(**values: Any) -> None:
    """Load a model into a running daemon, next to a served one.

    MODEL is a file or folder on the daemon's machine, or a hub id. It is warmed while streams
    run; nothing changes for them until dfd models activate. A broken model has no effect.
    """
    _manage("load", **values)


@_running("activate", "dfd models activate", "dfd models activate --replace bundled")
def activate_command(**values: Any) -> None:
    """Switch a running daemon to the model that was loaded.

    The next batch is scored by it, also for running streams; they are told MODEL_CHANGED and
    keep their windows and thresholds.
    """
    _manage("activate", **values)


@_running("rollback", "dfd models rollback", "dfd models rollback --server 10.0.0.5:50051")
def rollback_command(**values: Any) -> None:
    """Switch a running daemon back to the model before the last activation."""
    _manage("rollback", **values)


def _manage(action: str, *, served: str, as_json: bool, source: str = "", **where: Any) -> None:
    """Asks a daemon to replace a model, and prints the resulting state."""
    import asyncio
    import dataclasses

    from dfd.clients.client import AsyncDetectionClient

    server = connection(**where)

    async def ask() -> Any:
        async with AsyncDetectionClient(server) as client:
            return await client.manage_model(action, model=served, source=source)

    wait = {
        "load": f"{server.server} loads and warms {source}",
        "activate": f"{server.server} switches to the model that was loaded",
        "rollback": f"{server.server} switches back",
    }
    with Waits(f"models {action}").bar(wait[action]):
        standing = asyncio.run(ask())
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(standing)))
        return
    for name in ("active", "waiting", "previous"):
        model = getattr(standing, name)
        if model is not None:
            click.echo(f"{name}: {model.name} {model.version}, {model.device}, {model.precision}")


def _print_table(rows: list[dict[str, Any]], bundled: float | None) -> None:
    from dfd.clients.display.tables import Column, fitted, result_console

    columns = (
        Column("name"),
        Column("parameters", right=True, rank=3),
        Column("EER %", least=18, rank=1),
        Column("licence", least=12, rank=2),
        Column("tried here", least=14, rank=4),
        Column("get it", least=15),
    )
    speeds = Column("windows/s", right=True)
    first = ["bundled", "", "see its card", "as dfd's", "trained and measured here", "is here"]
    cells = [first] + [
        [
            row["name"],
            f"{row['parameters'] / 1e6:.1f} M",
            ", ".join(f"{name} {value:g}" for name, value in row["eer"].items()),
            row["licence"],
            row["tried"],
            _where(row),
        ]
        for row in rows
    ]
    for line in cells:
        for column, cell in zip(columns, line, strict=True):
            column.add(cell)
    for speed in (bundled, *(row.get("windows_per_second") for row in rows)):
        speeds.add("" if speed is None else f"{speed:g}")
    measured = bundled is not None or any("windows_per_second" in row for row in rows)
    shown = (*columns, speeds) if measured else columns
    console = result_console()
    caption = (
        "EER %: as published, on the test sets named; dfd's own figures of the bundled model are"
        " in its card"
    )
    console.print(fitted(shown, console.width, caption=caption))
    for line in _sources(rows):
        console.print(line, highlight=False, markup=False, soft_wrap=not console.is_terminal)


def _sources(rows: list[dict[str, Any]]) -> list[str]:
    """Says where detectors and their figures come from, a line for all that share them."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        # those of one organisation on the hub share its page
        page = row["page"] if row["hub_id"] is None else row["page"].rpartition("/")[0]
        groups.setdefault((page, row["eer_source"]), []).append(row["name"])
    return [
        f"{', '.join(names)}: from {page}; figures: {source}"
        for (page, source), names in groups.items()
    ]


def _where(row: dict[str, Any]) -> str:
    if row["here"] is not None:
        return "is here"
    if row["url"] is None and row["hub_id"] is None:
        return "by hand, see below"
    return f"dfd models pull {row['name']}"
