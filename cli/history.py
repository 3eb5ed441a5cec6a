"""`dfd history`: what a daemon reported to its clients, from its journal."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from dfd.cli._groups import VerbGroup
from dfd.cli._outputs import json_option
from dfd.cli._waiting import Waits

# of a call, before those of its channels
_CALL_COLUMNS = (
    "started_at", "ended_at", "kind", "stream_id", "end", "reason", "token", "peer", "labels",
    "model", "model_version",
)  # fmt: skip
_AGE = re.compile(r"(\d+(?:\.\d+)?)(m|h|d|w)")
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


class Moment(click.ParamType[datetime]):
    """A time in ISO 8601, or how long ago: 90m, 12h, 30d, 2w."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        """Reads the word; a time without a zone is in this machine's zone."""
        if isinstance(value, datetime):
            return value
        if found := _AGE.fullmatch(value):
            ago = timedelta(seconds=float(found[1]) * _UNITS[found[2]])
            return datetime.now(UTC) - ago
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a time: write 2026-01-31T12:00 or 30d", param, ctx)


_JOURNAL = click.option(
    "--journal",
    required=True,
    envvar="DFD_SERVE_JOURNAL",
    metavar="FILE|URL",
    show_envvar=True,
    help="The journal that dfd serve keeps.",
)


@click.group("history", cls=VerbGroup)
def command() -> None:
    """Show what a daemon reported to its clients, from its journal.

    Needs no daemon, and does not disturb one that is running.
    """


@command.command(
    "list",
    examples=(
        "dfd history list --journal calls.sqlite --since 7d --alerted",
        "dfd history list --journal calls.sqlite --json",
    ),
    read_on="docs/operations.md",
)
@_JOURNAL
@click.option(
    "--since",
    type=Moment(),
    help="Calls that began at this time or later, such as 2d ago or 2026-01-31.",
)
@click.option("--until", type=Moment(), help="Calls that began before this time.")
@click.option("--stream-id", help="Calls with this stream id.")
@click.option("--token", help="Calls authenticated by the token of this name.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="KEY=VALUE",
    help="Calls with this label. May be repeated.",
)
@click.option(
    "--verdict",
    type=click.Choice(["spoof", "bonafide", "inconclusive"]),
    help="Calls that have a channel with this verdict.",
)
@click.option("--alerted/--not-alerted", default=None, help="Calls with or without an alert.")
@click.option(
    "--limit", type=click.IntRange(1), default=None, metavar="N", help="Only the newest calls."
)
@json_option("a line of JSON for each call")
@click.option("--csv", "as_csv", is_flag=True, help="Write a line of CSV for each channel.")
def list_calls(
    journal: str,
    since: datetime | None,
    until: datetime | None,
    stream_id: str | None,
    token: str | None,
    labels: tuple[str, ...],
    verdict: str | None,
    alerted: bool | None,
    limit: int | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """List calls, newest first, with their alerts and verdicts."""
    from dfd.cli.replay import _labels as read_labels
    from dfd.daemon.journal.store import Query, Store

    query = Query(
        since=since,
        until=until,
        stream_id=stream_id,
        token=token,
        labels=read_labels(labels),
        verdict=verdict,
        alerted=alerted,
        limit=limit,
    )
    with Waits("history list").bar("opening the journal"):
        store = Store(journal, create=False)
    try:
        calls = store.calls(query)
        if as_json:
            for call in calls:
                click.echo(json.dumps(call))
        elif as_csv:
            _write_csv(calls)
        else:
            _show(calls)
    finally:
        store.close()


@command.command(
    "purge",
    examples=(
        "dfd history purge --journal calls.sqlite --before 90d --yes",
        "dfd history purge --journal calls.sqlite --before 2026-01-31",
    ),
    read_on="docs/operations.md",
)
@_JOURNAL
@click.option(
    "--before",
    type=Moment(),
    required=True,
    help="Delete calls that began before this, such as 30d ago.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(journal: str, before: datetime, yes: bool) -> None:
    """Delete old calls with their alerts and summaries."""
    from dfd.daemon.journal.store import Store

    waits = Waits("history purge")
    with waits.bar("opening the journal"):
        store = Store(journal, create=False)
    try:
        when = before.isoformat(timespec="seconds")
        if not yes:
            click.confirm(f"Delete all calls that began before {when}?", abort=True, err=True)
        with waits.bar("deleting calls"):
            count = store.purge(before)
    finally:
        store.close()
    click.echo(f"{count} {'call' if count == 1 else 'calls'} deleted")


def _rows(calls: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Returns a row for each channel, or one row for a call without a summary."""
    for call in calls:
        for channel in call["channels"] or [{}]:
            of_call = [
                alert
                for alert in call["alerts"]
                if not alert["cleared"] and alert["channel"] == channel.get("channel", 0)
            ]
            triggers = dict.fromkeys(str(alert["trigger"]) for alert in of_call)
            marks = [name.removeprefix("mark:") for name in triggers if name.startswith("mark:")]
            more = {"alerts": len(of_call), "watermarks": marks, "labels": call["labels"] or {}}
            yield call | channel | more


def _write_csv(calls: Iterator[dict[str, Any]]) -> None:
    from dfd.daemon.journal.tables import SUMMARIES

    of_channel = [column.name for column in SUMMARIES.columns if column.name != "call"]
    at = of_channel.index("windows_scored")
    columns = (*_CALL_COLUMNS, *of_channel[:at], "alerts", *of_channel[at:])
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in _rows(calls):
        row["labels"] = ";".join(f"{key}={value}" for key, value in row["labels"].items())
        row["reasons"] = ";".join(row.get("reasons", ()))
        writer.writerow({key: _harmless(value) for key, value in row.items()})
        click.echo(text.getvalue(), nl=False)
        text.seek(0)
        text.truncate()
    click.echo(text.getvalue(), nl=False)


def _harmless(value: Any) -> Any:
    """Keeps text that clients chose from being read as a formula by a spreadsheet."""
    dangerous = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if dangerous else value


def _show(calls: Iterator[dict[str, Any]]) -> None:
    from dfd.clients.display.tables import Column, fitted, number, result_console, verdict_text

    columns = (
        Column("began"),
        Column("stream", least=12),
        Column("end", rank=4),
        Column("channel", right=True, rank=3),
        Column("verdict"),
        Column("P", right=True),
        Column("alerts", right=True, rank=1),
        Column("seconds", right=True, rank=2),
    )
    for row in _rows(calls):
        cells = (
            row["started_at"][:19],
            row["stream_id"],
            row["end"] or "-",
            str(row.get("channel", "-")),
            verdict_text(row.get("verdict"), watermarks=row["watermarks"]),
            number(row.get("spoof_probability")),
            str(row["alerts"]),
            number(row["audio_seconds"], 1),
        )
        for column, cell in zip(columns, cells, strict=True):
            column.add(cell)
    if not columns[0].cells:
        click.echo("no calls")
        return
    console = result_console()
    console.print(fitted(columns, console.width))
