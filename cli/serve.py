"""`dfd serve`: runs the daemon."""

import asyncio
import logging
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from dfd.cli._errors import PlainVerb
from dfd.cli._model import MODEL_HELP, OVERRIDES
from dfd.daemon.options import (
    ADMISSIONS,
    ENGINES,
    JOURNAL_FAILURES,
    LOG_FORMATS,
    LOG_LEVELS,
    OPTION_NAMES,
    PRECISIONS,
    ServeOptions,
)
from dfd.errors import UserError

_DEFAULT = ServeOptions()
_ORIGINS = {
    ParameterSource.COMMANDLINE: "flag",
    ParameterSource.ENVIRONMENT: "environment",
    ParameterSource.DEFAULT_MAP: "file",
}
_FILE = click.Path(path_type=Path)
# options that may be given several times
_LISTS = ("model",)
_SECONDS = click.FLOAT


class _Words(click.ParamType[str]):
    """A word; where several are in one environment variable commas part them."""

    name = "text"
    envvar_list_splitter = ","

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Takes it as it is."""
        return str(value).strip()


def read_config(context: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    """Takes the options in a TOML file as defaults; its keys are the options' names."""
    if path is None:
        return None
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the configuration {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"the configuration {path} is not TOML: {error}") from None
    table |= {name: [table[name]] for name in _LISTS if isinstance(table.get(name), str)}
    unknown = sorted(table.keys() - set(OPTION_NAMES))
    if unknown:
        raise UserError(
            f"{path} has the unknown key {unknown[0]}; the keys are {', '.join(OPTION_NAMES)}"
        )
    nested = [
        name
        for name, value in table.items()
        if isinstance(value, dict) or (isinstance(value, list) and name not in _LISTS)
    ]
    if nested:
        raise UserError(f"{path}: {nested[0]} must be a plain value")
    context.default_map = {**(context.default_map or {}), **table}
    return path


def _option(name: str, help_text: str, kind: Any = None, **more: Any) -> Any:
    """An option whose default and name are those of `ServeOptions`."""
    default = getattr(_DEFAULT, name)
    flag = "--" + name.replace("_", "-")
    more.setdefault("show_default", default is not None)
    return click.option(flag, name, default=default, type=kind, help=help_text, **more)


def _flag(name: str, help_text: str) -> Any:
    """A switch whose default and name are those of `ServeOptions`."""
    flag = name.replace("_", "-")
    default = getattr(_DEFAULT, name)
    words = f"--{flag}/--no-{flag}"
    return click.option(words, name, default=default, help=help_text, show_default=True)


_OPTIONS = (
    _option("host", "Address to listen on.", str),
    _option("port", "Port to listen on; 0 takes a free one.", click.IntRange(0, 65535)),
    _option(
        "model",
        f"{MODEL_HELP} May be repeated: streams choose by name, the first is for those that name"
        " none.  [default: bundled]",
        _Words(),
        multiple=True,
        show_default=False,
    ),
    *OVERRIDES,
    _option("workers", "Processes that share the port.", click.IntRange(1, 64)),
    _option("device", "auto, cpu, cuda or cuda:N; or several, separated by commas.", str),
    _option("precision", "Arithmetic of the model.", click.Choice(PRECISIONS)),
    _option("engine", "What runs the model.", click.Choice(ENGINES)),
    _option(
        "threads",
        "Threads of torch on the CPU.  [default: half the cores for a small model, else all]",
        int,
    ),
    _option("metrics_host", "Address of the metrics page.", str),
    _option(
        "metrics_port",
        "Port of the metrics page; 0 takes a free one, -1 serves none.",
        click.IntRange(-1, 65535),
    ),
    _option("max_streams", "Most streams and recordings at once.", int),
    _option(
        "admission",
        "measured: refuse streams that would slow others down; fixed: by --max-streams alone.",
        click.Choice(ADMISSIONS),
    ),
    _option("max_chunk_bytes", "Largest chunk of audio.", int),
    _option("max_recording_bytes", "Largest recording that Detect takes.", int),
    _option("max_channel_count", "Most channels of one stream.", int),
    _option("idle_timeout_seconds", "End a stream that sends nothing.  [default: never]", _SECONDS),
    _option("max_stream_seconds", "Longest stream.  [default: no limit]", _SECONDS),
    _option("config_timeout_seconds", "Longest wait for a stream's configuration.", _SECONDS),
    _option("upload_timeout_seconds", "Longest wait for the whole of a recording.", _SECONDS),
    _option("upload_bytes", "Most bytes of recordings held at once.", int),
    _option(
        "write_timeout_seconds", "Drop a client that takes no answers for this long.", _SECONDS
    ),
    _option("settle_timeout_seconds", "Longest wait for a stream's last windows.", _SECONDS),
    _option("max_batch_size", "Most windows in one forward pass.  [default: by device]", int),
    _option(
        "max_queue_delay_seconds",
        "Longest wait of a window for others to share its batch.",
        _SECONDS,
    ),
    _option("deadline_seconds", "Shed a live window that has waited longer.", _SECONDS),
    _option("queue_limit", "Windows that may wait before live ones are shed.", int),
    _option("batch_timeout_seconds", "Give up a forward pass that takes longer.", _SECONDS),
    _option(
        "watchdog_seconds", "End a worker or engine that does not answer for this long.", _SECONDS
    ),
    _option(
        "windows_in_flight", "Windows of a channel that may wait before its sender is slowed.", int
    ),
    _option("grace_seconds", "Time for running streams after SIGTERM.", _SECONDS),
    _option("retry_seconds", "Time that clients who are turned away are told to wait.", _SECONDS),
    _option(
        "max_streams_per_peer",
        "Most streams of one address but loopback.  [default: three quarters of all]",
        int,
    ),
    _option(
        "evidence_clips",
        "Write the audio around each alert to this folder, as FLAC.  [default: no audio]",
        _FILE,
    ),
    _option("clip_days", "Delete clips that are older.", click.FLOAT),
    _option("clip_bytes", "Delete the oldest clips beyond so many bytes.", int),
    _option("jwt_keys", "Key set (JWKS) of an issuer whose tokens are accepted.", _FILE),
    _option("jwt_issuer", "Issuer that these tokens must name.", str),
    _option("jwt_audience", "Audience that these tokens must name.", str),
    _option(
        "journal",
        "Keep streams, alerts and summaries: an SQLite file, or the URL of a database."
        "  [default: nothing is kept]",
        str,
    ),
    _option(
        "journal_failure",
        "What to do while the journal is down: go on and say so, or stop streams.",
        click.Choice(JOURNAL_FAILURES),
    ),
    _option("token_file", "TOML file of bearer tokens.  [default: no token is needed]", _FILE),
    _option("tls_cert", "PEM file of the certificate chain.", _FILE),
    _option("tls_key", "PEM file of the certificate's key.", _FILE),
    _option(
        "tls_client_ca", "PEM file of a CA; clients must show a certificate that it signed.", _FILE
    ),
    _option(
        "reload_seconds",
        "How often to look for changed files of tokens, keys and certificates; 0: at SIGHUP only.",
        _SECONDS,
    ),
    _flag("allow_open", "Let other machines reach the port without TLS or tokens."),
    _flag("handover", "Share the port with the daemon before and the one after."),
    _flag("reflection", "Serve gRPC reflection."),
    _flag("health", "Serve gRPC health."),
    _option("log_level", "Lowest level that is logged.", click.Choice(LOG_LEVELS)),
    _option("log_format", "Format of the log, one line for each event.", click.Choice(LOG_FORMATS)),
)


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
@click.option(
    "--config",
    type=_FILE,
    is_eager=True,
    callback=read_config,
    expose_value=False,
    help="TOML file of options.",
)
@click.option("--no-metrics", is_flag=True, help="Serve no metrics page.")
@click.pass_context
def command(context: click.Context, /, no_metrics: bool, **values: Any) -> None:
    """Run the daemon.

    It prints one line to standard output once it takes streams; the log goes to standard error.
    SIGTERM and SIGINT let running streams finish; a second signal ends at once.
    """
    origins = {
        name: _ORIGINS[source]
        for name in OPTION_NAMES
        if (source := context.get_parameter_source(name)) in _ORIGINS
    }
    if no_metrics:
        values["metrics_port"], origins["metrics_port"] = -1, "flag"
    context.exit(_serve(ServeOptions(**values), origins))


for _decorate in _OPTIONS:
    command = _decorate(command)


def _serve(options: ServeOptions, origins: dict[str, str]) -> int:
    """Serves; returns the exit status."""
    # grpc's own log is written by threads that everything waits for
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from dfd.daemon import logs
    from dfd.daemon.effective import effective_fields

    logs.configure(options.log_level, options.log_format)
    logs.log(logging.INFO, "configuration", **effective_fields(options, origins))

    def announce(line: str) -> None:
        click.echo(line)
        sys.stdout.flush()

    if options.multiprocess:
        from dfd.daemon.multiprocess.supervisor import run_supervisor

        ending = asyncio.run(run_supervisor(options, announce))
    else:
        from dfd.daemon.run import run

        ending = asyncio.run(run(options, announce))
    status = 0 if ending.drained else 1
    if not ending.device_idle:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # a forward pass cannot be interrupted, nor torch finalised under it
    return status
