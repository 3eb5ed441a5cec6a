"""The options that all bridges share, and how `run` receives them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dfd.cli._actions import action_options
from dfd.cli._config import config_option
from dfd.cli._connection import connection, server_options
from dfd.cli._errors import Verb
from dfd.cli._judging import MODEL_AND_THRESHOLDS
from dfd.cli._outputs import EventsFile

_F = TypeVar("_F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)
EPILOG = (
    "Listens on this machine only, unless --listen names another address, because media is not"
    " encrypted. SIGINT and SIGTERM stop it once the last results have arrived."
)
_READ_ON = "docs/telephony.md, with configurations to paste"

_COMMON = (
    click.option(
        "--events",
        type=EventsFile(),
        metavar="FILE",
        help="Append every event of every call to a file, as a line of JSON; - is standard output.",
    ),
    click.option(
        "--label",
        "labels",
        multiple=True,
        metavar="KEY=VALUE",
        help="A label for every call. May be repeated.",
    ),
    *MODEL_AND_THRESHOLDS,
    click.option(
        "--max-calls",
        type=click.IntRange(1, 10000),
        default=200,
        show_default=True,
        help="Most calls at once; further ones are rejected.",
    ),
    click.option(
        "--max-bytes-per-second",
        type=click.IntRange(1000),
        default=1 << 20,
        show_default=True,
        help="Most bytes per second from one call.",
    ),
    click.option(
        "--buffer-seconds",
        type=click.FloatRange(1, 600),
        default=30.0,
        show_default=True,
        help="Audio of each call to buffer while the daemon is slow or unreachable.",
    ),
    click.option(
        "--idle-seconds",
        type=click.FloatRange(1),
        default=60.0,
        show_default=True,
        help="End a call after this long without audio.",
    ),
    click.option(
        "--metrics",
        metavar="HOST:PORT",
        help="Serve Prometheus metrics, and /health, at this address.",
    ),
    click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        default="info",
        show_default=True,
        help="Lowest level that is logged.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Format of the log, one line for each event: key=value, or JSON.",
    ),
)


hold_option = click.option(
    "--hold-seconds",
    type=click.FloatRange(0, 2),
    default=0.2,
    show_default=True,
    metavar="SECONDS",
    help="How long the jitter buffer waits for a packet.",
)


def bridge_command(name: str, *examples: str) -> Callable[[_F], click.Command]:
    """Makes a verb of `dfd bridge`."""
    return click.command(
        f"bridge {name}", cls=Verb, epilog=EPILOG, examples=examples, read_on=_READ_ON
    )


def common_options(command: _F) -> _F:
    """Adds the options that all bridges share."""
    for option in reversed(_COMMON):
        command = option(command)
    return config_option(server_options(action_options(command)))


def read_address(text: str) -> tuple[str, int]:
    """Reads HOST:PORT.

    Raises:
        UserError: if the text is anything else.
    """
    from dfd.bridges.plans import address

    return address(text)


def settings(common: dict[str, Any], hold_seconds: float = 0.2) -> Any:
    """Turns the common options into the settings of `run`."""
    from dfd.bridges.options import BridgeOptions
    from dfd.bridges.plans import pairs
    from dfd.bridges.serve import Settings
    from dfd.clients.options import AlertPolicy, StreamOptions

    own = {name: common.pop(name) for name in _OWN}
    policy = AlertPolicy(
        rolling_threshold=own["rolling_threshold"],
        cumulative_threshold=own["cumulative_threshold"],
    )
    options = BridgeOptions(
        max_calls=own["max_calls"],
        max_bytes_per_second=own["max_bytes_per_second"],
        buffer_seconds=own["buffer_seconds"],
        idle_seconds=own["idle_seconds"],
        hold_seconds=hold_seconds,
        labels=pairs(own["labels"]),
        stream=StreamOptions(model=own["model"], alert_policy=policy),
    )
    return Settings(
        connection=connection(**common),
        options=options,
        on_alerts=own["on_alerts"],
        on_summaries=own["on_summaries"],
        action_per=own["action_per"],
        webhook_secret_file=own["webhook_secret_file"],
        spool=own["spool"],
        events=own["events"],
        metrics=None if own["metrics"] is None else read_address(own["metrics"]),
        log_level=own["log_level"],
        log_format=own["log_format"],
    )


_OWN = (
    "on_alerts",
    "on_summaries",
    "action_per",
    "webhook_secret_file",
    "spool",
    "events",
    "labels",
    "model",
    "rolling_threshold",
    "cumulative_threshold",
    "max_calls",
    "max_bytes_per_second",
    "buffer_seconds",
    "idle_seconds",
    "metrics",
    "log_level",
    "log_format",
)
