"""`dfd doctor`: what is wrong on this machine, and how to fix it."""

from pathlib import Path
from typing import Any

import click

from dfd.cli._connection import connection, server_options
from dfd.cli._errors import Verb
from dfd.cli._outputs import json_option

_FILE = click.Path(path_type=Path)
_MARKS = {"good": ("ok", "green"), "note": ("note", "yellow"), "fault": ("FAULT", "bold red")}


@click.command(
    "doctor",
    cls=Verb,
    examples=(
        "dfd doctor",
        "dfd doctor --device cuda --serve-cert cert.pem --serve-key key.pem",
    ),
    epilog="Exit status: 0; 1 if there is a fault; 2 on a mistake.",
    read_on="docs/operations.md",
)
@server_options
@click.option("--model", default="bundled", show_default=True, help="The model to load and run.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to check ports on.")
@click.option("--serve-cert", type=_FILE, help="PEM file of the certificate dfd serve would use.")
@click.option("--serve-key", type=_FILE, help="PEM file of that certificate's key.")
@json_option("one line of JSON for each finding")
def command(
    model: str,
    device: str,
    host: str,
    serve_cert: Path | None,
    serve_key: Path | None,
    as_json: bool,
    **others: Any,
) -> None:
    """Check this machine: packages, GPU, model, ports, daemon, certificates, sound, limits.

    Each line says what was found and, if something is wrong, how to fix it. Nothing is changed.
    A note is worth knowing; a fault keeps dfd from working as configured.
    """
    import dataclasses
    import json
    import sys

    from rich.text import Text

    from dfd.cli.checks import CHECKS
    from dfd.cli.checks.finding import Level, Wanted
    from dfd.clients.display.tables import result_console

    ports = {"daemon": 50051, "metrics": 9464, "console": 8080}
    wanted = Wanted(model, device, host, ports, connection(**others), serve_cert, serve_key)
    console = result_console()
    faults = 0
    for check in CHECKS:
        for finding in check(wanted):
            faults += finding.level is Level.FAULT
            if as_json:
                click.echo(json.dumps(dataclasses.asdict(finding)))
                continue
            word, style = _MARKS[finding.level]
            line = Text(f"{word:>5}  ", style=style)
            line.append(f"{finding.subject}: ", style="bold").append(finding.found, style="default")
            if finding.remedy:
                line.append(f"\n       -> {finding.remedy}", style="cyan")
            console.print(line, soft_wrap=not console.is_terminal)
    if faults:
        sys.exit(1)
