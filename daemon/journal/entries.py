"""What is written to a journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """A row to be written: a new one, or values for the call that has the key.

    Attributes:
        table: its name.
        values: column to value; of an update, without the key.
        call: the key of an update; None inserts.
    """

    table: str
    values: dict[str, Any]
    call: str | None = None


class JournalError(Exception):
    """The database did not take what it was given."""
