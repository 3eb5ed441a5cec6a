"""A journal's database, used from one thread at a time.

Writing is idempotent: every row has a key of its own, so a batch whose commit was not confirmed
can be written again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from dfd.daemon.journal.address import to_url, without_password
from dfd.daemon.journal.entries import Entry, JournalError
from dfd.daemon.journal.tables import (
    ALERTS,
    CALLS,
    CLIPS,
    METADATA,
    SCORES,
    STARTED,
    SUMMARIES,
)
from dfd.errors import UserError

# How long SQLite waits for another writer, PostgreSQL for a connection: less than calls wait.
WAIT_SECONDS = 3
_TABLES = {table.name: table for table in METADATA.sorted_tables}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which calls are wanted; None means any.

    Attributes:
        labels: labels that must all match.
        alerted: whether an alert was raised.
        limit: only this many of the newest.
        call: key of one call in the journal.
        whole: include how they were judged, scores over time and the hashes of clips.
    """

    since: datetime | None = None
    until: datetime | None = None
    stream_id: str | None = None
    token: str | None = None
    verdict: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    alerted: bool | None = None
    limit: int | None = None
    call: str | None = None
    whole: bool = False


class Store:
    """A database with the journal's tables.

    Args:
        journal: a path or URL.
        create: whether to create the file and the tables if they do not exist.

    Raises:
        UserError: if it cannot be opened, or its driver is not installed.
    """

    def __init__(self, journal: str, *, create: bool) -> None:
        self.shown = without_password(journal)
        try:
            url = sa.make_url(to_url(journal))
            is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "")
            if is_file and url.database is not None:
                _touch(Path(url.database), create=create)
            arguments = {"timeout": WAIT_SECONDS} if is_file else {"connect_timeout": WAIT_SECONDS}
            self._database = sa.create_engine(
                url, connect_args=arguments, pool_pre_ping=not is_file
            )
            if is_file:
                sa.event.listen(self._database, "connect", _set_up_sqlite)
            with self._database.begin() as connection:
                if create:
                    _create(connection)
                connection.execute(sa.select(CALLS.c.call).limit(1))
        except ModuleNotFoundError as error:
            raise UserError(
                f"the journal {self.shown} needs the package {error.name}: install it, for"
                " PostgreSQL with pip install 'dfd[postgres]'"
            ) from None
        except (sa.exc.SQLAlchemyError, OSError, ValueError) as error:
            raise UserError(
                f"the journal {self.shown} cannot be opened: {_reason(error)}"
            ) from None

    def close(self) -> None:
        """Closes the database."""
        self._database.dispose()

    def write(self, entries: Iterable[Entry]) -> None:
        """Writes all entries, or none.

        Raises:
            JournalError: if the database did not take them.
        """
        insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}.get(
            self._database.dialect.name, sa.insert
        )
        try:
            with self._database.begin() as connection:
                for entry in entries:
                    table = _TABLES[entry.table]
                    statement: Any
                    if entry.call is not None:
                        statement = sa.update(table).where(table.c.call == entry.call)
                        statement = statement.values(entry.values)
                    else:
                        statement = insert(table).values(entry.values)
                        if hasattr(statement, "on_conflict_do_nothing"):
                            statement = statement.on_conflict_do_nothing()
                    connection.execute(statement)
        except sa.exc.SQLAlchemyError as error:
            raise JournalError(_reason(error)) from None

    def calls(self, query: Query) -> Iterator[dict[str, Any]]:
        """Yields calls, newest first, each with its `alerts` and its `channels`.

        If `whole` is set, also with `started` (how the call was judged), `scores` over time and
        `clips`, as far as the daemon that wrote the journal kept them.

        Raises:
            UserError: if the database does not answer.
        """
        wanted = sa.select(CALLS).order_by(CALLS.c.started_at.desc(), CALLS.c.call)
        for condition in _conditions(query):
            wanted = wanted.where(condition)
        left = query.limit
        with contextlib.ExitStack() as stack:
            connection = self._reading()
            stack.callback(connection.close)
            result = connection.execution_options(yield_per=200).execute(wanted)
            stack.callback(result.close)
            for rows in result.mappings().partitions(200):
                keys = [row["call"] for row in rows]
                alerts = _grouped(connection, ALERTS, keys, ALERTS.c.at)
                channels = _grouped(connection, SUMMARIES, keys, SUMMARIES.c.channel)
                for row in rows:
                    labels = row["labels"] or {}
                    if any(labels.get(key) != value for key, value in query.labels.items()):
                        continue
                    if left is not None and (left := left - 1) < 0:
                        return
                    call = row["call"]
                    found = _plain(row) | {
                        "alerts": alerts.get(call, []),
                        "channels": channels.get(call, []),
                    }
                    yield found | _rest(connection, found) if query.whole else found

    def purge(self, before: datetime) -> int:
        """Deletes the calls that began before a time and everything that belongs to them.

        Returns:
            The number of calls deleted.

        Raises:
            UserError: if the database does not answer.
        """
        old = sa.select(CALLS.c.call).where(CALLS.c.started_at < before)
        clips = sa.select(ALERTS.c.clip).where(ALERTS.c.call.in_(old), ALERTS.c.clip.is_not(None))
        try:
            with self._database.begin() as connection:
                for clip in connection.execute(clips).scalars().all():
                    if clip.endswith(".flac"):  # in case the database names anything else
                        with contextlib.suppress(OSError):
                            Path(clip).unlink(missing_ok=True)
                there = _there(connection)
                if CLIPS.name in there:
                    connection.execute(sa.delete(CLIPS).where(CLIPS.c.clip.in_(clips)))
                for table in (ALERTS, SUMMARIES, STARTED, SCORES):
                    if table.name not in there:
                        continue
                    connection.execute(sa.delete(table).where(table.c.call.in_(old)))
                done = connection.execute(sa.delete(CALLS).where(CALLS.c.started_at < before))
                return int(done.rowcount)
        except sa.exc.SQLAlchemyError as error:
            raise UserError(f"the journal {self.shown}: {_reason(error)}") from None

    def _reading(self) -> sa.Connection:
        try:
            return self._database.connect()
        except sa.exc.SQLAlchemyError as error:
            raise UserError(f"the journal {self.shown}: {_reason(error)}") from None


def _touch(path: Path, *, create: bool) -> None:
    """Creates the file readable by its owner only: it says who spoke when, and the verdicts."""
    if not create:
        if not path.is_file():
            raise UserError(f"there is no journal {path}: name the file that dfd serve writes")
        return
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def _set_up_sqlite(connection: Any, _: Any) -> None:
    """Keeps readers from blocking the writer, and commits durable across a loss of power."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _create(connection: sa.Connection) -> None:
    """Creates what is missing; several processes may do so at once."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(6846308)"))
    for table in METADATA.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda one: one.name or ""):
            connection.execute(CreateIndex(index, if_not_exists=True))


def _conditions(query: Query) -> Iterator[sa.ColumnElement[bool]]:
    if query.since is not None:
        yield CALLS.c.started_at >= query.since
    if query.until is not None:
        yield CALLS.c.started_at < query.until
    if query.stream_id is not None:
        yield CALLS.c.stream_id == query.stream_id
    if query.call is not None:
        yield CALLS.c.call == query.call
    if query.token is not None:
        yield CALLS.c.token == query.token
    if query.verdict is not None:
        found = sa.select(SUMMARIES.c.call).where(SUMMARIES.c.verdict == query.verdict)
        yield CALLS.c.call.in_(found)
    if query.alerted is not None:
        raised = CALLS.c.call.in_(sa.select(ALERTS.c.call).where(~ALERTS.c.cleared))
        yield raised if query.alerted else ~raised


def _grouped(
    connection: sa.Connection, table: sa.Table, calls: Sequence[str], order: Any
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    wanted = sa.select(table).where(table.c.call.in_(calls)).order_by(order)
    for row in connection.execute(wanted).mappings():
        plain = _plain(row)
        plain.pop("alert", None)
        found.setdefault(plain.pop("call"), []).append(plain)
    return found


def _there(connection: sa.Connection) -> set[str]:
    """Returns the existing tables; an older daemon created fewer."""
    return set(sa.inspect(connection).get_table_names())


def _rest(connection: sa.Connection, call: dict[str, Any]) -> dict[str, Any]:
    """Returns what is kept of a call besides its alerts and summaries."""
    there, key = _there(connection), call["call"]
    started, scores, clips = [], [], []
    if STARTED.name in there:
        started = _grouped(connection, STARTED, [key], STARTED.c.call).get(key, [])
    if SCORES.name in there:
        scores = _grouped(connection, SCORES, [key], SCORES.c.channel).get(key, [])
    if CLIPS.name in there:
        paths = {alert["clip"] for alert in call["alerts"] if alert["clip"]}
        wanted = sa.select(CLIPS).where(CLIPS.c.clip.in_(paths)).order_by(CLIPS.c.written_at)
        clips = [_plain(row) for row in connection.execute(wanted).mappings()]
    return {"started": started[0]["started"] if started else None, "scores": scores, "clips": clips}


def _plain(row: Any) -> dict[str, Any]:
    """Returns a row with times in ISO 8601, UTC; SQLite returns them without a zone."""
    return {
        key: _utc(value).isoformat(timespec="milliseconds")
        if isinstance(value, datetime)
        else value
        for key, value in row.items()
    }


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _reason(error: BaseException) -> str:
    """Returns the database's message in one line, without statement, parameters or password."""
    origin = getattr(error, "orig", None) or error
    if isinstance(origin, OSError) and origin.strerror:
        return origin.strerror
    return " ".join(str(origin).split("\n")[0].split()) or type(origin).__name__
