"""The one command `dfd`; each verb's module is imported only when it runs."""

import importlib
import io
import sys

import click

from dfd import __version__
from dfd.cli._groups import VerbGroup

# verb -> what `dfd --help` says about it
VERBS = {
    "serve": "Run the daemon.",
    "listen": "Judge the microphone live.",
    "history": "Show what a daemon reported, from its journal.",
    "replay": "Stream recordings to a daemon; show scores and latency.",
    "watch": "Watch all live streams of a daemon.",
    "console": "Serve a web page that shows a daemon's streams.",
    "report": "Write a page about a recording or a stream, for a case file.",
    "detect": "Score recordings without a daemon.",
    "bridge": "Judge telephone calls: SIP, AudioSocket, RTP, WebSocket media.",
    "doctor": "Find out what is wrong on this machine and how to fix it.",
    "info": "Show what a daemon offers.",
    "models": "List, fetch and inspect public detectors.",
    "export": "Write a model for Triton, or as TorchScript or ONNX.",
    "train": "Train a detector.",
    "evaluate": "Measure a detector on labelled recordings.",
    "calibrate": "Fit a detector's thresholds and calibration to your own calls.",
    "bench": "Measure speed: the model, the daemon, the core.",
}

# third-party module -> the extra that installs it
EXTRAS = {
    "fastapi": "console",
    "espeakng_loader": "demo",
    "grpc_health": "serve",
    "grpc_reflection": "serve",
    "hibari": "demo",
    "huggingface_hub": "serve",
    "jinja2": "report",
    "matplotlib": "plot",
    "nicegui": "console",
    "onnx": "onnx",
    "onnxruntime": "silero",
    "openvino": "openvino",
    "prometheus_client": "serve",
    "pyworld": "world",
    "psycopg": "postgres",
    "safetensors": "serve",
    "scipy": "evaluate",
    "silero_vad": "silero",
    "sklearn": "train",
    "soxr": "serve",
    "sqlalchemy": "journal",
    "torch": "serve",
    "torchaudio": "serve",
    "weasyprint": "pdf",
    "transformers": "train",
    "starlette": "console",
    "tritonclient": "triton",
    "uvicorn": "console",
    "webrtcvad": "serve",
    "websockets": "bridge",
}


class LazyGroup(VerbGroup):
    """Imports a verb's command from `dfd.cli.<verb>` when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names every verb, in the order of `VERBS`."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports one verb; returns None if there is no such verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"dfd.cli.{cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyGroup)
@click.version_option(__version__, prog_name="dfd")
def cli() -> None:
    """Tell in real time whether the voice on an audio stream is a person or a machine.

    dfd COMMAND --help shows a command's examples and options. Completion in bash:
    eval "$(_DFD_COMPLETE=bash_source dfd)"; for other shells use zsh_source or fish_source.
    """


def main() -> None:
    """Runs `dfd`; a missing extra is reported in one line, with exit status 2."""
    # an odd file name, or a terminal limited to ASCII, must not end a batch
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        cli.main(prog_name="dfd")
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in EXTRAS:
            raise
        click.echo(
            f"dfd: this needs the package {name}: pip install 'dfd[{EXTRAS[name]}]'", err=True
        )
        sys.exit(2)
