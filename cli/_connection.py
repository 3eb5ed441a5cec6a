"""The options by which every client verb names its server."""

import os
from collections.abc import Callable
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
        help="The daemon.",
    ),
    click.option(
        "--token-file",
        type=_FILE,
        help="File that holds the bearer token and nothing else.  [else: env var DFD_TOKEN]",
    ),
    click.option("--tls-ca", type=_FILE, help="PEM file of the authority to trust; asks for TLS."),
    click.option("--tls-cert", type=_FILE, help="PEM file of this client's certificate."),
    click.option("--tls-key", type=_FILE, help="PEM file of the certificate's key."),
    click.option(
        "--insecure",
        is_flag=True,
        help="Plain text to a server that is not on this machine, token and audio included."
        " Without it only loopback addresses are spoken to in the clear.",
    ),
)


def server_options(command: _F) -> _F:
    """Adds the options; `connection` reads them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def connection(
    *,
    server: str,
    token_file: Path | None,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    insecure: bool,
) -> "Connection":
    """The options as a `Connection`.

    Raises:
        UserError: the token's file cannot be read or is empty.
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
