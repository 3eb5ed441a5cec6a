"""The options of `dfd serve` as click declares them; defaults come from `ServeOptions`."""

from pathlib import Path
from typing import Any

import click

from dfd.cli._model import MODEL_HELP, OVERRIDES, WATERMARKS_HELP
from dfd.daemon.engine_address import is_remote
from dfd.daemon.model_choice import ENGINES
from dfd.daemon.options import (
    ADMISSIONS,
    JOURNAL_FAILURES,
    LOG_FORMATS,
    LOG_LEVELS,
    ServeOptions,
)
from dfd.detector.overrides import PRECISIONS

_DEFAULT = ServeOptions()
_FILE = click.Path(path_type=Path)
_SECONDS = click.FLOAT


class _Words(click.ParamType[str]):
    """A word; where several are in one environment variable commas part them."""

    name = "text"
    envvar_list_splitter = ","

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Accepts any text, without blanks around it."""
        return str(value).strip()


class _Engine(click.Choice[str]):
    """An engine of this machine, or the address of another one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Lets addresses through; `ServeOptions` checks them."""
        return value if is_remote(str(value)) else super().convert(value, param, ctx)


def _option(name: str, help_text: str, kind: Any = None, **more: Any) -> Any:
    """Makes an option whose default and name come from `ServeOptions`."""
    default = getattr(_DEFAULT, name)
    flag = "--" + name.replace("_", "-")
    more.setdefault("show_default", default is not None)
    return click.option(flag, name, default=default, type=kind, help=help_text, **more)


def _flag(name: str, help_text: str) -> Any:
    """Makes a switch whose default and name come from `ServeOptions`."""
    flag = name.replace("_", "-")
    default = getattr(_DEFAULT, name)
    words = f"--{flag}/--no-{flag}"
    return click.option(words, name, default=default, help=help_text, show_default=True)


OPTIONS = (
    _option("host", "Address to listen on.", str),
    _option("port", "Port to listen on; 0 takes a free one.", click.IntRange(0, 65535)),
    _option(
        "model",
        f"{MODEL_HELP} May be repeated: a stream chooses one by name; one that names none gets the"
        " first.  [default: bundled]",
        _Words(),
        multiple=True,
        show_default=False,
    ),
    _option(
        "fuse",
        "Combine models, a+b: their calibrated LLRs are added, with the weights in one of their"
        " cards (dfd calibrate --fuse) or equal ones. May be repeated.",
        _Words(),
        multiple=True,
        show_default=False,
    ),
    _option(
        "cascade",
        "Combine two models, a+b: a scores every window, b those that a is not sure are"
        " human, and all while an alert is near. May be repeated.",
        _Words(),
        multiple=True,
        show_default=False,
    ),
    _option(
        "cascade_from",
        "P(spoof) of a cascade's first model from which its second model is asked.",
        click.FLOAT,
    ),
    *OVERRIDES,
    _option(
        "workers",
        "Processes that share the port; 0: one for each usable processor.",
        click.IntRange(0, 64),
    ),
    _option("device", "auto, cpu, cuda or cuda:N; or several, separated by commas.", str),
    _option("precision", "Number format of the model's arithmetic.", click.Choice(PRECISIONS)),
    _option(
        "engine",
        "Backend that runs the model: here (auto: the fastest installed one, measured at the first"
        " start with a model), in a Ray cluster (ray://auto, ray://local or"
        " ray://HOST:PORT, with /APPLICATION), or on a Triton server (triton://HOST:PORT/MODEL,"
        " written by dfd export).",
        _Engine(ENGINES),
        metavar=f"[{'|'.join(ENGINES)}|ray://CLUSTER|triton://SERVER]",
    ),
    _option(
        "threads",
        "CPU threads of torch.  [default: half the cores for a small model, all for others]",
        int,
    ),
    _option("metrics_host", "Address of the metrics page.", str),
    _option(
        "metrics_port",
        "Port of the metrics page; 0 takes a free one, -1 serves none.",
        click.IntRange(-1, 65535),
    ),
    _option("watermarks", WATERMARKS_HELP, str, metavar="SCHEMES", show_default=False),
    _option("max_streams", "Most concurrent streams and recordings.", int),
    _option(
        "admission",
        "measured: refuse streams that would slow others down; fixed: limit by --max-streams"
        " alone.",
        click.Choice(ADMISSIONS),
    ),
    _option("max_chunk_bytes", "Largest chunk of audio accepted.", int),
    _option("max_recording_bytes", "Largest recording accepted by Detect.", int),
    _option("max_channel_count", "Most channels in one stream.", int),
    _option("max_connections", "Most connections at once; more are closed.", int),
    _option(
        "max_stream_bytes_per_second",
        "Read a stream that sends more than this, and more than twice real time, more slowly.",
        int,
    ),
    _option(
        "max_peer_bytes_per_second",
        "Read an address that sends more than this more slowly, except loopback.",
        int,
    ),
    _option(
        "idle_timeout_seconds", "End a stream that sends nothing for this long; 0: never.", _SECONDS
    ),
    _option("max_stream_seconds", "Longest stream; 0: no limit.", _SECONDS),
    _option("config_timeout_seconds", "Longest wait for a stream's configuration.", _SECONDS),
    _option("upload_timeout_seconds", "Longest wait for a complete recording.", _SECONDS),
    _option("upload_bytes", "Most bytes of recordings held in memory at once.", int),
    _option(
        "write_timeout_seconds", "Drop a client that reads no results for this long.", _SECONDS
    ),
    _option("settle_timeout_seconds", "Longest wait for a stream's last windows.", _SECONDS),
    _option("max_batch_size", "Most windows in one forward pass.  [default: by device]", int),
    _option(
        "max_queue_delay_seconds",
        "Longest time a window waits for others to share its batch.",
        _SECONDS,
    ),
    _option("deadline_seconds", "Shed a live window that has waited longer than this.", _SECONDS),
    _option("queue_limit", "Windows that may wait before live ones are shed.", int),
    _option("batch_timeout_seconds", "Give up a forward pass that takes longer.", _SECONDS),
    _option(
        "watchdog_seconds",
        "Replace a worker or instance that does not answer for this long.",
        _SECONDS,
    ),
    _option(
        "windows_in_flight",
        "Windows of a channel that may be waiting before its sender is slowed down.",
        int,
    ),
    _option("grace_seconds", "Time that running streams get to finish after SIGTERM.", _SECONDS),
    _option(
        "retry_seconds", "Time that rejected clients are told to wait before they retry.", _SECONDS
    ),
    _option(
        "max_streams_per_peer",
        "Most streams from one address other than loopback.  [default: three quarters of all]",
        int,
    ),
    _option(
        "evidence_clips",
        "Write the audio around each alert to this folder, as FLAC.  [default: no audio]",
        _FILE,
    ),
    _option("clip_days", "Delete clips older than this.", click.FLOAT),
    _option("clip_bytes", "Delete the oldest clips when they exceed this size.", int),
    _option(
        "jwt_keys", "JWKS file with the keys of an issuer whose signed tokens are accepted.", _FILE
    ),
    _option("jwt_issuer", "Issuer that these tokens must name.", str),
    _option("jwt_audience", "Audience that these tokens must name.", str),
    _option(
        "journal",
        "Where to keep streams, alerts and summaries: an SQLite file, or a database URL."
        "  [default: nothing is kept]",
        str,
    ),
    _option(
        "journal_failure",
        "What to do while the journal cannot be written: continue and report it, or stop streams.",
        click.Choice(JOURNAL_FAILURES),
    ),
    _option(
        "otlp_endpoint",
        "Send traces to this OpenTelemetry collector: http://HOST:4317.  [default: no traces]",
        str,
    ),
    _option("token_file", "TOML file of bearer tokens.  [default: no token is needed]", _FILE),
    _option("tls_cert", "PEM file of the certificate chain.", _FILE),
    _option("tls_key", "PEM file of the certificate's key.", _FILE),
    _option(
        "tls_client_ca",
        "PEM file of a CA; clients must present a certificate that it signed.",
        _FILE,
    ),
    _option(
        "resume_key",
        "File with the secret that lets streams continue after a restart or at another node.  "
        "[default: created at the first start]",
        _FILE,
    ),
    _option(
        "resume_seconds", "Longest interruption after which a stream keeps its evidence.", _SECONDS
    ),
    _option(
        "reload_seconds",
        "How often to look for changes in token, key and certificate files; 0: only at SIGHUP.",
        _SECONDS,
    ),
    _flag("allow_open", "Let other machines reach the port without TLS or tokens."),
    _flag(
        "allow_admin", "Let callers replace models (dfd models load) even if there are no tokens."
    ),
    _flag("handover", "Share the port with the previous and the next daemon."),
    _flag("reflection", "Serve gRPC reflection."),
    _flag("health", "Serve gRPC health."),
    _option("log_level", "Lowest level that is logged.", click.Choice(LOG_LEVELS)),
    _option("log_format", "Format of the log, one line for each event.", click.Choice(LOG_FORMATS)),
)
