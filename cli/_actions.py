"""What to do about alerts and verdicts: the same options for `listen` and the bridges."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--on-alert",
        "on_alerts",
        multiple=True,
        metavar="COMMAND|URL|file:PATH",
        help="When an alert is raised or cleared: run a command (JSON on its standard input), call"
        " a webhook (signed, with retries), or append a line of JSON to a file. May be repeated.",
    ),
    click.option(
        "--on-summary",
        "on_summaries",
        multiple=True,
        metavar="COMMAND|URL|file:PATH",
        help="The same for the verdict at the end of the call. May be repeated.",
    ),
    click.option(
        "--action-per",
        type=click.Choice(["alert", "call"]),
        default="alert",
        show_default=True,
        help="alert: act when a channel crosses its first threshold, and again when it is below"
        " all of them; call: act once for each call, on its first alert.",
    ),
    click.option(
        "--spool",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Folder that keeps what is on its way to commands and webhooks until it is"
        " delivered, by the next run if need be.  [default: kept in memory]",
    ),
    click.option(
        "--webhook-secret-file",
        type=click.Path(path_type=Path),
        help="File with the secret that signs webhooks.  [default: DFD_WEBHOOK_SECRET]",
    ),
)


def action_options(command: _F) -> _F:
    """Adds the options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
