"""What a check of `dfd doctor` is asked, and what it answers."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dfd.clients.options import Connection


class Level(StrEnum):
    """The severity of a finding."""

    GOOD = "good"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        found: what was found, as a clause.
        remedy: what to do; empty if nothing is wrong.
    """

    subject: str
    level: Level
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to check.

    Attributes:
        ports: names and numbers that the daemon and the console would take.
    """

    model: str
    device: str
    host: str
    ports: dict[str, int]
    connection: Connection
    tls_cert: Path | None = None
    tls_key: Path | None = None
