"""A verb's mistakes in one line each: no traceback, no usage text, exit status 2."""

import os
import sys
from typing import Any

import click

from dfd.cli._help import Teaching
from dfd.errors import UserError

# gRPC's own log would stand beside the one line; set GRPC_VERBOSITY to see it
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


class OneLineError(click.ClickException):
    """A mistake told in one line on standard error; exit status 2."""

    exit_code = 2

    def __init__(self, verb: str, message: str) -> None:
        super().__init__(" ".join(message.split()))
        self.verb = verb

    def show(self, file: Any = None) -> None:
        """Writes the line."""
        who = f"dfd {self.verb}".rstrip()
        click.echo(f"{who}: {self.format_message()}", file=file or sys.stderr)


def verb_of(ctx: click.Context) -> str:
    """The verb as it was called, "bench model", without the program's name."""
    return ctx.command_path.partition(" ")[2] or ctx.command.name or ""


class PlainVerb(Teaching):
    """A command that tells wrong options, and any other `UserError`, in one line."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parses the options."""
        above = "" if parent is None else parent.command_path
        verb = f"{above} {info_name}".strip().partition(" ")[2] or self.name or ""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            message = f"{error.format_message().rstrip('.')}; see dfd {verb} --help"
            raise OneLineError(verb, message) from None
        except UserError as error:
            raise OneLineError(verb, str(error)) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the verb."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            raise OneLineError(verb_of(ctx), str(error)) from None


class Verb(PlainVerb):
    """A command of a client: a `DetectionError` is told in one line too."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the verb."""
        from dfd.clients.errors import DetectionError

        try:
            return super().invoke(ctx)
        except DetectionError as error:
            message = explain(error, ctx.params.get("server") or "the server")
            raise OneLineError(verb_of(ctx), message) from None
        except BrokenPipeError:
            # whoever read the output has gone; keep Python from failing on it once more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(1)


def explain(error: Any, server: str) -> str:
    """A `DetectionError` as a sentence that says what to do."""
    said = error.message.rstrip(".")
    low = said.lower()
    if error.code == "UNAVAILABLE" and not error.reason:
        if "ssl" in low or "handshake" in low or "certificate" in low:
            return (
                f"no encrypted connection to {server}: name its authority with --tls-ca, or use"
                f" --insecure where it speaks plain text ({_last(said)})"
            )
        return (
            f"no server answers at {server}: start one with dfd serve, or name another with"
            f" --server ({_last(said)})"
        )
    if error.code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return f"{server} refused: {said}; set DFD_TOKEN or --token-file to a token it knows"
    if error.code == "RESOURCE_EXHAUSTED":
        return f"{server} is full: {said}; try again later"
    if error.code == "DEADLINE_EXCEEDED" and not error.reason:
        return f"{server} did not answer in time: check whether it is overloaded"
    return f"{server}: {said}" + (f" ({error.reason})" if error.reason else f" ({error.code})")


def _last(said: str) -> str:
    """The end of gRPC's long account, where the cause stands."""
    return said.rpartition(": ")[2]
