"""Deliveries kept on disk until they succeed, so that the next process can finish them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dfd.errors import UserError

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS deliveries (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        delivery TEXT NOT NULL UNIQUE,
        line TEXT NOT NULL,
        made_at REAL NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0
    )
"""
_MOST_FILES = 64


@dataclass(frozen=True, slots=True)
class Delivery:
    """One line that is waiting for delivery.

    Attributes:
        number: its place in the spool; 0 if it could not be stored.
        delivery: its id, the same for every attempt.
        attempts: attempts so far, by this process or an earlier one.
    """

    number: int
    delivery: str
    line: str
    made_at: float
    attempts: int = 0


class Spool:
    """The deliveries to one target, in a file that only this process uses.

    A file left by an earlier process is taken over; one in use by another process is not touched.

    Args:
        folder: created if it does not exist.
        target: command or URL; only a digest of it is stored.

    Raises:
        UserError: if the folder cannot be used.
    """

    def __init__(self, folder: Path, target: str) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        stem = hashlib.sha256(target.encode()).hexdigest()[:16]
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path, self._held = _first_free(folder, stem)
            self._database = _open(self._path)
            for path in _left_over(folder, stem, self._path):
                with _hold(path) as held:
                    if held:
                        self._take_over(path)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"the spool {folder} cannot be used: {reason}") from None

    def add(self, line: str) -> Delivery:
        """Puts a line on disk.

        Raises:
            sqlite3.Error: the disk is full, or gone.
        """
        delivery, now = uuid.uuid4().hex, time.time()
        with self._lock, self._database as database:
            cursor = database.execute(
                "INSERT INTO deliveries (delivery, line, made_at) VALUES (?, ?, ?)",
                (delivery, line, now),
            )
            return Delivery(int(cursor.lastrowid or 0), delivery, line, now)

    def waiting(self) -> list[Delivery]:
        """Returns the stored deliveries, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT number, delivery, line, made_at, attempts FROM deliveries ORDER BY number"
            )
            return [Delivery(*row) for row in rows]

    def attempted(self, delivery: Delivery) -> None:
        """Counts an attempt that failed."""
        with self._lock, contextlib.suppress(sqlite3.Error), self._database as database:
            database.execute(
                "UPDATE deliveries SET attempts = attempts + 1 WHERE number = ?",
                (delivery.number,),
            )

    def remove(self, delivery: Delivery) -> None:
        """Removes a delivery that succeeded or was given up."""
        with self._lock, contextlib.suppress(sqlite3.Error), self._database as database:
            database.execute("DELETE FROM deliveries WHERE number = ?", (delivery.number,))

    def close(self) -> None:
        """Releases the file for the next process."""
        with self._lock:
            self._database.close()
            self._held.close()

    def _take_over(self, path: Path) -> None:
        with contextlib.closing(_open(path)) as other, self._database as database:
            rows = other.execute("SELECT delivery, line, made_at, attempts FROM deliveries")
            database.executemany(
                "INSERT OR IGNORE INTO deliveries (delivery, line, made_at, attempts)"
                " VALUES (?, ?, ?, ?)",
                rows.fetchall(),
            )
            database.commit()
            other.execute("DELETE FROM deliveries")
            other.commit()


def _open(path: Path) -> sqlite3.Connection:
    """Opens the database so that commits outlive the process but do not wait for the disk."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    database = sqlite3.connect(path, timeout=1.0, check_same_thread=False)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute(_SCHEMA)
    database.commit()
    return database


def _first_free(folder: Path, stem: str) -> tuple[Path, IO[bytes]]:
    for number in range(_MOST_FILES):
        path = folder / f"{stem}.{number}.db"
        held = _lock(path)
        if held is not None:
            return path, held
    raise OSError(0, f"{_MOST_FILES} processes are using it already")


def _left_over(folder: Path, stem: str, database: Path) -> list[Path]:
    name = re.compile(rf"{stem}\.\d+\.db")
    return sorted(one for one in folder.iterdir() if name.fullmatch(one.name) and one != database)


def _lock(path: Path) -> IO[bytes] | None:
    """Locks a file until the returned handle is closed; None if another process holds it."""
    held = path.with_suffix(".lock").open("wb")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        return None
    return held


@contextlib.contextmanager
def _hold(path: Path) -> Iterator[bool]:
    held = _lock(path)
    try:
        yield held is not None
    finally:
        if held is not None:
            held.close()
