"""Where a journal lies: a file of SQLite, or any database by URL."""

from __future__ import annotations

import re
from pathlib import Path

_PASSWORD = re.compile(r"(://[^:/@]*):[^@]*@")


def to_url(journal: str) -> str:
    """The URL for SQLAlchemy; a plain path is a file of SQLite."""
    if "://" not in journal:
        return f"sqlite:///{Path(journal).absolute()}"
    scheme, _, rest = journal.partition("://")
    drivers = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
    return f"{drivers.get(scheme, scheme)}://{rest}"


def without_password(journal: str) -> str:
    """The address as it may stand in a log."""
    return _PASSWORD.sub(r"\1:***@", journal)
