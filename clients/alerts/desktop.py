"""Alerts as desktop notifications."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys

from dfd.clients import events as ev
from dfd.clients.display import words
from dfd.errors import UserError

_CLOSE_SECONDS = 5.0


class DesktopSink:
    """Shows a notification for each alert that is raised; clearing is not shown.

    Raises:
        UserError: if this system has no program for notifications.
    """

    def __init__(self) -> None:
        name = "osascript" if sys.platform == "darwin" else "notify-send"
        self._program = shutil.which(name) or ""
        if not self._program:
            raise UserError(
                f"notifications need the program {name}: install libnotify-bin, or leave out"
                " --notify"
            )
        self._running: list[subprocess.Popen[bytes]] = []

    def emit(self, stream_id: str, event: ev.Event, **more: object) -> None:
        """Takes one event."""
        if not isinstance(event, ev.Alert) or event.cleared:
            return
        text = f"At {words.clock(event.offset_seconds)}: {words.alert(event)}."
        # not waited for: audio is never held up
        self._running = [one for one in self._running if one.poll() is None]
        with contextlib.suppress(OSError):  # a missing desktop is no reason to stop listening
            self._running.append(
                subprocess.Popen(
                    self._command("This voice sounds synthetic", text),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )

    def close(self) -> None:
        """Waits briefly for notifications that are still being shown."""
        for one in self._running:
            try:
                one.wait(_CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()

    def _command(self, title: str, text: str) -> list[str]:
        if self._program.endswith("osascript"):
            script = f"display notification {json.dumps(text)} with title {json.dumps(title)}"
            return [self._program, "-e", script]
        return [self._program, "--app-name=dfd", "--urgency=critical", title, text]
