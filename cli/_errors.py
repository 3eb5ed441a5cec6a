"""Reports a user's mistakes in one line each: no traceback, no usage text, exit status 2."""

import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from dfd.cli._help import Teaching
from dfd.cli._origins import blame, with_origins
from dfd.errors import UserError

# keep gRPC's own log from appearing beside that line; set GRPC_VERBOSITY to see it
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


class OneLineError(click.ClickException):
    """A mistake reported in one line on standard error, with exit status 2."""

    exit_code = 2

    def __init__(self, verb: str, message: str) -> None:
        super().__init__(" ".join(message.split()))
        self.verb = verb

    def show(self, file: Any = None) -> None:
        """Writes the line."""
        who = f"dfd {self.verb}".rstrip()
        click.echo(f"{who}: {self.format_message()}", file=file or sys.stderr)


def verb_of(ctx: click.Context) -> str:
    """Returns the verb as it was called, such as "bench model", without the program's name."""
    return ctx.command_path.partition(" ")[2] or ctx.command.name or ""


class PlainVerb(Teaching):
    """A command that reports wrong options, and any other `UserError`, in one line."""

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
            if isinstance(error, click.BadParameter) and error.ctx is not None:
                blame(error.ctx, error)
            message = f"{error.format_message().rstrip('.')}; see dfd {verb} --help"
            raise OneLineError(verb, message) from None
        except UserError as error:
            raise OneLineError(verb, str(error)) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the verb."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            raise OneLineError(verb_of(ctx), with_origins(ctx, str(error))) from None


class Verb(PlainVerb):
    """A client's command: it reports a `DetectionError` in one line too."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the verb."""
        from dfd.clients.errors import DetectionError

        try:
            return super().invoke(ctx)
        except DetectionError as error:
            message = with_origins(ctx, explain(error, ctx.params))
            raise OneLineError(verb_of(ctx), message) from None
        except BrokenPipeError:
            # the reader of the output has gone; keep Python from failing again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(1)


def explain(error: Any, options: Mapping[str, Any]) -> str:
    """Returns a `DetectionError` as a sentence that says what to do.

    Args:
        error: what a client raised.
        options: the options with which the verb named its server.
    """
    from dfd.clients.options import Connection
    from dfd.clients.transport.trouble import diagnose

    names = ("server", "tls_ca", "tls_cert", "tls_key", "insecure")
    known = {name: options[name] for name in names if options.get(name)}
    return diagnose(error, Connection(**({"server": "the server"} | known))).advice
