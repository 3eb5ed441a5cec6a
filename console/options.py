"""Options of the console."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dfd.clients.options import Connection


class Reader(Protocol):
    """Reads the calls of a journal, which may grow meanwhile."""

    def search(self, text: str, verdict: str | None, alerted: bool) -> list[dict[str, Any]]:
        """Returns calls, newest first.

        Args:
            text: words that must all occur in the id, address, token name or labels.
            verdict: verdict of one of its channels; None means any.
            alerted: whether to return only calls with an alert.
        """

    def call(self, key: str) -> dict[str, Any] | None:
        """Returns one complete call; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOptions:
    """How the console is served.

    Attributes:
        connections: how to reach the daemons; streams of all are listed, and the first is the one
            that viewers talk to.
        host, port: address of the page; port 0 picks a free one.
        token: token that viewers need; None admits everyone who can reach the port.
        tls_cert, tls_key: PEM files; browsers allow the microphone only on pages that are encrypted
            or on the viewer's own machine.
        history: reads finished calls; None shows none.
    """

    connections: tuple[Connection, ...]
    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = field(default=None, repr=False)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    history: Reader | None = None
