"""Where a journal is: an SQLite file, or any database by URL."""

from __future__ import annotations

import re
from pathlib import Path

_PASSWORD = re.compile(r"(://[^:/@]*):[^@]*@")


def to_url(journal: str) -> str:
    """Returns the URL for SQLAlchemy; a plain path means an SQLite file."""
    if "://" not in journal:
        return f"sqlite:///{Path(journal).absolute()}"
    scheme, _, rest = journal.partition("://")
    drivers = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
    return f"{drivers.get(scheme, scheme)}://{rest}"


def without_password(journal: str) -> str:
    """Returns the address without its password, for the log."""
    return _PASSWORD.sub(r"\1:***@", journal)
