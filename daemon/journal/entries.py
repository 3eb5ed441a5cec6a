"""The entries of a journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """A row to write: a new one, or new values for an existing call.

    Attributes:
        table: name of the table.
        values: column -> value; for an update, without the key.
        call: key of the call to update; None inserts a row.
    """

    table: str
    values: dict[str, Any]
    call: str | None = None


class JournalError(Exception):
    """The database did not accept a write."""
