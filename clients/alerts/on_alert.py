"""The targets of `--on-alert` and `--on-summary`: a command, a webhook, a JSON lines file."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
from pathlib import Path

from dfd.clients.alerts.actions import ActionPer, AlertActions, SummariesOnly
from dfd.clients.alerts.command import CommandSink
from dfd.clients.alerts.sinks import EventSink, JsonLinesSink
from dfd.clients.alerts.spool import Spool
from dfd.clients.alerts.webhook import WebhookSink
from dfd.errors import UserError

logger = logging.getLogger("dfd.sinks")


class JsonLinesLog(JsonLinesSink):
    """A JSON lines file that is kept: new lines are appended.

    Args:
        path: the file; "-" is standard output.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        name = os.fspath(path)
        self._name = name
        self._own = name != "-"
        if not self._own:
            super().__init__(name)
            return
        try:
            self._file = open(name, "a", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise UserError(f"{name} cannot be written: {error.strerror}") from None


def on_alert(
    what: str,
    webhook_secret: str | bytes | None,
    per: ActionPer = "alert",
    spool: Path | None = None,
) -> EventSink:
    """Makes the sink for one `--on-alert`: `http(s)://...`, `file:PATH`, or a command.

    Args:
        what: the option's value.
        webhook_secret: signs the bodies sent to webhooks.
        per: "alert" or "call".
        spool: folder that holds deliveries until they succeed; None keeps them in memory.

    Raises:
        UserError: if it is none of these, or cannot be used.
    """
    return AlertActions(_sink(what, webhook_secret, spool), per)


def on_summary(
    what: str, webhook_secret: str | bytes | None, spool: Path | None = None
) -> EventSink:
    """Makes the sink for one `--on-summary`, which takes the same values as `--on-alert`.

    Raises:
        UserError: if it is none of these, or cannot be used.
    """
    return SummariesOnly(_sink(what, webhook_secret, spool))


def _sink(what: str, webhook_secret: str | bytes | None, folder: Path | None) -> EventSink:
    def spool() -> Spool | None:
        return None if folder is None else Spool(folder, what)

    if what.startswith(("http://", "https://")):
        return WebhookSink(what, webhook_secret, spool=spool())
    if what.startswith("file:"):
        return JsonLinesLog(what.removeprefix("file:"))
    sink = CommandSink(what, logger.error, spool=spool())
    program = shlex.split(what)[0]
    if shutil.which(program) is None:
        sink.close()
        raise UserError(f"there is no program {program!r}: check the command's path")
    return sink


def read_secret(path: Path | None) -> str | bytes | None:
    """Reads the webhooks' secret from a file or DFD_WEBHOOK_SECRET; bytes if it is not text.

    Raises:
        UserError: if the file cannot be read or is empty.
    """
    if path is None:
        return os.environ.get("DFD_WEBHOOK_SECRET", "").strip() or None
    try:
        content = path.read_bytes()
    except OSError:
        raise UserError(f"the secret file {path} cannot be read") from None
    try:
        secret: str | bytes = content.decode().strip()
    except UnicodeDecodeError:
        secret = content.removesuffix(b"\n")
    if not secret:
        raise UserError(f"the secret file {path} is empty")
    return secret
