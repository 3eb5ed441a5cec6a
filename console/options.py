"""Options of the console."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dfd.clients.options import Connection


class Reader(Protocol):
    """The calls of a journal, as records; it may grow meanwhile."""

    def search(self, text: str, verdict: str | None, alerted: bool) -> list[dict[str, Any]]:
        """Calls, newest first.

        Args:
            text: every word of it is in the id, the address, the token's name or the labels.
            verdict: of one of its channels; None is any.
            alerted: whether only those with an alert are wanted.
        """

    def call(self, key: str) -> dict[str, Any] | None:
        """One call, whole; None where there is none."""


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
