"""What `--on-alert` names: a command, a webhook, or a file of JSON lines."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
from pathlib import Path

from dfd.clients.alerts.command import CommandSink
from dfd.clients.alerts.sinks import EventSink, JsonLinesSink
from dfd.clients.alerts.webhook import WebhookSink
from dfd.clients.events import Alert, Event
from dfd.errors import UserError

logger = logging.getLogger("dfd.sinks")


class AlertsOnly:
    """Passes alerts on, raised and cleared, and nothing else.

    Args:
        sink: where they go.
    """

    def __init__(self, sink: EventSink) -> None:
        self.sink = sink

    def emit(self, stream_id: str, event: Event, **more: object) -> None:
        """Passes an alert on."""
        if isinstance(event, Alert):
            self.sink.emit(stream_id, event, **more)

    def close(self) -> None:
        """Closes the sink behind."""
        self.sink.close()


class JsonLinesLog(JsonLinesSink):
    """A file of JSON lines that is kept: lines are added behind those it has.

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


def on_alert(what: str, webhook_secret: str | None) -> EventSink:
    """Reads one `--on-alert`: `http(s)://...`, `file:PATH`, or a command.

    Raises:
        UserError: it is none of them, or cannot be used.
    """
    if what.startswith(("http://", "https://")):
        return AlertsOnly(WebhookSink(what, webhook_secret))
    if what.startswith("file:"):
        return AlertsOnly(JsonLinesLog(what.removeprefix("file:")))
    sink = CommandSink(what, logger.error)
    program = shlex.split(what)[0]
    if shutil.which(program) is None:
        sink.close()
        raise UserError(f"there is no program {program!r}: check the command's path")
    return sink


def read_secret(path: Path | None) -> str | None:
    """The webhooks' secret: of a file, else of DFD_WEBHOOK_SECRET.

    Raises:
        UserError: the file cannot be read or is empty.
    """
    if path is None:
        return os.environ.get("DFD_WEBHOOK_SECRET", "").strip() or None
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UserError(f"the secret file {path} cannot be read") from None
    if not secret:
        raise UserError(f"the secret file {path} is empty")
    return secret
