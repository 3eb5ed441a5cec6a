"""`dfd console`: a web page that shows the streams of one or several daemons."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfd.cli._connection import connections, servers_options
from dfd.cli._errors import Verb
from dfd.errors import UserError

if TYPE_CHECKING:
    from dfd.daemon.journal.store import Query

_FILE = click.Path(path_type=Path)
_MOST_CALLS = 500
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@click.command(
    "console",
    cls=Verb,
    examples=(
        "dfd console",
        "dfd console --server node-1:50051 --server node-2:50051 --journal calls.sqlite",
        "dfd console --host 0.0.0.0 --console-token-file viewers.token --console-cert cert.pem"
        " --console-key key.pem",
    ),
    read_on="docs/console.md",
)
@servers_options
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to serve the page on."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port of the page; 0 takes a free one.",
)
@click.option(
    "--console-token-file",
    type=_FILE,
    help="File with the token that viewers need; required if other machines can reach the page."
    "  [default: DFD_CONSOLE_TOKEN]",
)
@click.option(
    "--journal",
    metavar="FILE|URL",
    help="The daemon's journal, to show finished calls too.",
)
@click.option(
    "--console-cert", type=_FILE, help="PEM file of a certificate, to serve the page over HTTPS."
)
@click.option("--console-key", type=_FILE, help="PEM file of the certificate's key.")
def command(
    host: str,
    port: int,
    console_token_file: Path | None,
    journal: str | None,
    console_cert: Path | None,
    console_key: Path | None,
    **others: Any,
) -> None:
    """Serve a web page: your microphone live, a file, all calls, the model.

    The page is a client of the daemons that --server names: it lists the streams of all, and the
    first is the one that scores your microphone and files and whose model is shown. If other
    machines can reach it, viewers need a token, and browsers allow the microphone only over HTTPS
    or on this machine.
    """
    import asyncio
    import logging

    from dfd.console.options import ConsoleOptions

    token = os.environ.get("DFD_CONSOLE_TOKEN", "").strip() or None
    if console_token_file is not None:
        try:
            token = console_token_file.read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            raise UserError(f"the token file {console_token_file} cannot be read") from None
    if token is None and host not in _LOOPBACK:
        raise UserError(
            f"other machines can reach {host}: give viewers a token with --console-token-file,"
            " or leave --host at 127.0.0.1"
        )
    if (console_cert is None) != (console_key is None):
        raise UserError("give --console-cert and --console-key together")
    from dfd.console.server import serve

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    options = ConsoleOptions(
        connections=connections(**others),
        host=host,
        port=port,
        token=token,
        tls_cert=console_cert,
        tls_key=console_key,
        history=None if journal is None else _Journal(journal),
    )
    asyncio.run(serve(options, click.echo))


class _Journal:
    """Opens the journal anew for each query, since it may have grown.

    Raises:
        UserError: if there is no such journal.
    """

    def __init__(self, journal: str) -> None:
        from dfd.daemon.journal.store import Store

        self._journal = journal
        Store(journal, create=False).close()

    def search(self, text: str, verdict: str | None, alerted: bool) -> list[dict[str, Any]]:
        """Returns calls that match, newest first."""
        from dfd.daemon.journal.store import Query

        calls = self._read(Query(verdict=verdict, alerted=alerted or None))
        return list(itertools.islice((c for c in calls if _matches(c, text)), _MOST_CALLS))

    def call(self, key: str) -> dict[str, Any] | None:
        """Returns one call with all details."""
        from dfd.daemon.journal.store import Query

        return next(iter(list(self._read(Query(call=key, whole=True)))), None)

    def _read(self, query: "Query") -> Iterator[dict[str, Any]]:
        from dfd.daemon.journal.store import Store

        store = Store(self._journal, create=False)
        try:
            yield from store.calls(query)
        finally:
            store.close()


def _matches(call: dict[str, Any], text: str) -> bool:
    """Returns whether every word occurs in the call's id, address, token name or labels."""
    texts = [call["stream_id"], call["peer"] or "", call["token"] or ""]
    texts += [f"{name}={value}" for name, value in (call["labels"] or {}).items()]
    shown = "\n".join(texts).casefold()
    return all(word in shown for word in text.casefold().split())
