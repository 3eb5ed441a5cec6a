"""Options of the console."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfd.clients.options import Connection

# text, verdict and whether only alerted ones are wanted -> calls, newest first
Reader = Callable[[str, str | None, bool], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOptions:
    """How the console is served.

    Attributes:
        connection: the daemon.
        host, port: where the page is; port 0 takes a free one.
        token: what a viewer has to know; None lets everyone in who reaches the port.
        tls_cert, tls_key: PEM files; browsers give a microphone only to pages that are
            encrypted or on the viewer's own machine.
        history: reads the calls that are over; None shows none.
    """

    connection: Connection
    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = field(default=None, repr=False)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    history: Reader | None = None
