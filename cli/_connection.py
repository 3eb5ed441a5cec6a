"""The options with which client verbs name their server."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dfd.errors import UserError

if TYPE_CHECKING:
    from dfd.clients.options import Connection

_F = TypeVar("_F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path)

DEFAULT_SERVER = "localhost:50051"

_OPTIONS = (
    click.option(
        "--server",
        metavar="HOST:PORT",
        envvar="DFD_SERVER",
        default=DEFAULT_SERVER,
        show_default=True,
        show_envvar=True,
        help="Address of the daemon.",
    ),
    click.option(
        "--token-file",
        type=_FILE,
        help="File that contains the bearer token and nothing else.  [default: DFD_TOKEN]",
    ),
    click.option(
        "--tls-ca", type=_FILE, help="PEM file of the certificate authority to trust; turns on TLS."
    ),
    click.option("--tls-cert", type=_FILE, help="PEM file of this client's certificate."),
    click.option("--tls-key", type=_FILE, help="PEM file of the certificate's key."),
    click.option(
        "--insecure",
        is_flag=True,
        help="Allow token and audio to be sent unencrypted to another machine. Without this, only"
        " a server on this machine is used without TLS.",
    ),
)


def server_options(command: _F) -> _F:
    """Adds the options; `connection` reads them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def servers_options(command: _F) -> _F:
    """Adds the options of a verb that accepts several daemons; `connections` reads them."""
    several = click.option(
        "--server",
        "servers",
        metavar="HOST:PORT",
        envvar="DFD_SERVER",
        default=(DEFAULT_SERVER,),
        multiple=True,
        show_default=True,
        show_envvar=True,
        help="Address of the daemon; repeat it for several.",
    )
    for option in reversed((several, *_OPTIONS[1:])):
        command = option(command)
    return command


def connections(*, servers: Iterable[str], **others: Any) -> "tuple[Connection, ...]":
    """Returns a `Connection` for each server, without duplicates.

    Raises:
        UserError: if the token file cannot be read or is empty.
    """
    return tuple(connection(server=server, **others) for server in dict.fromkeys(servers))


def connection(
    *,
    server: str,
    token_file: Path | None,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    insecure: bool,
) -> "Connection":
    """Returns the options as a `Connection`.

    Raises:
        UserError: if the token file cannot be read or is empty.
    """
    from dfd.clients.options import Connection

    token = os.environ.get("DFD_TOKEN", "").strip() or None
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise UserError(f"the token file {token_file} cannot be read: {reason}") from None
        if len(token.split()) != 1:
            raise UserError(f"the token file {token_file} must hold one token and nothing else")
    return Connection(
        server=server,
        token=token,
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
        insecure=insecure,
    )
