"""`dfd serve`: runs the daemon."""

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from dfd import processors
from dfd.cli._config import config_option
from dfd.cli._errors import PlainVerb
from dfd.cli._model import require_model
from dfd.cli._outputs import require_folder
from dfd.cli._serve_options import OPTIONS
from dfd.daemon.options import OPTION_NAMES, ServeOptions

_ORIGINS = {
    ParameterSource.COMMANDLINE: "flag",
    ParameterSource.ENVIRONMENT: "environment",
    ParameterSource.DEFAULT_MAP: "file",
}
# a journal or clips that cannot grow by this much are full within the hour
_ROOM_BYTES = 64 << 20


@click.command(
    "serve",
    cls=PlainVerb,
    context_settings={"auto_envvar_prefix": "DFD_SERVE"},
    examples=(
        "dfd serve",
        "dfd serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem --token-file tokens.toml",
    ),
    epilog="Each option can be set by a flag, an environment variable (DFD_SERVE_PORT) or in the "
    "TOML file of --config (port = 50051), in this order of precedence.",
    read_on="docs/operations.md",
)
@click.option("--no-metrics", is_flag=True, help="Serve no metrics page.")
@click.pass_context
def command(context: click.Context, /, no_metrics: bool, **values: Any) -> None:
    """Run the daemon.

    Prints one line to standard output once it accepts streams; the log goes to standard error.
    After SIGTERM or SIGINT running streams may finish; a second signal stops at once.
    """
    origins = {
        name: _ORIGINS[source]
        for name in OPTION_NAMES
        if (source := context.get_parameter_source(name)) in _ORIGINS
    }
    if no_metrics:
        values["metrics_port"], origins["metrics_port"] = -1, "flag"
    values["workers"] = values["workers"] or min(64, processors.usable())
    options = ServeOptions(**values)
    for folder in _written(options):
        require_folder(folder, _ROOM_BYTES)
    for model in options.models:
        require_model(model)
    if named := [device for device in options.devices if device not in ("auto", "cpu")]:
        # loads torch, which the supervisor of several processes does without where it can
        from dfd.detector.devices import resolve_device

        for device in named:
            resolve_device(device)
    context.exit(_serve(options, origins))


for _decorate in OPTIONS:
    command = _decorate(command)
command = config_option(command, "TOML file with any of these options: port = 50051.")
command.params.insert(0, command.params.pop())


def _written(options: ServeOptions) -> Iterator[Path]:
    """Yields the folders that the daemon writes to."""
    if options.evidence_clips is not None:
        yield options.evidence_clips
    if options.journal is not None and "://" not in options.journal:
        yield Path(options.journal).absolute().parent


def _serve(options: ServeOptions, origins: dict[str, str]) -> int:
    """Runs the daemon; returns the exit status."""
    # grpc writes its own log on threads that everything else waits for
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from dfd.daemon import logs
    from dfd.daemon.effective import changed_fields, effective_fields

    logs.configure(options.log_level, options.log_format)
    logs.log(logging.INFO, "configuration", **changed_fields(options, origins))
    logs.log(logging.DEBUG, "whole configuration", **effective_fields(options, origins))

    def announce(line: str) -> None:
        click.echo(line)
        sys.stdout.flush()

    if options.multiprocess:
        from dfd.daemon.multiprocess.run import run_supervisor

        ending = asyncio.run(run_supervisor(options, announce))
    else:
        from dfd.daemon.run import run

        ending = asyncio.run(run(options, announce))
    status = 0 if ending.drained else 1
    if not ending.device_idle:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # a forward pass cannot be interrupted, nor torch shut down while it runs
    return status
