"""A command for each alert: the first sink that acts on one."""

from __future__ import annotations

import queue
import shlex
import subprocess
import threading
from collections.abc import Callable

from dfd.clients.errors import UserError
from dfd.clients.events import Alert, Event
from dfd.clients.messages import json_line

_WAITING = 100
_CLOSE_SECONDS = 10.0


class CommandSink:
    """Runs a command for every alert and every clearing, its JSON line on standard input.

    The commands run one after another in a thread, so that audio is never held up; one that
    takes too long is killed, and alerts beyond a hundred waiting ones are told to `complain`.

    Args:
        command: split as a shell would, and run without one.
        timeout_seconds: the longest that one run may take.
        complain: told in one line what went wrong.

    Raises:
        UserError: the command is empty or its quotes do not match.
    """

    def __init__(
        self, command: str, complain: Callable[[str], None], timeout_seconds: float = 30.0
    ) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise UserError(f"the command {command!r} cannot be read: {error}") from None
        if not self._words:
            raise UserError("the command for alerts is empty: name a program")
        self._complain = complain
        self._timeout = timeout_seconds
        self._queue: queue.Queue[str | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="dfd-alerts", daemon=True)
        self._thread.start()

    def emit(self, stream_id: str, event: Event, **more: object) -> None:
        """Takes one event; all but alerts are passed over."""
        if not isinstance(event, Alert):
            return
        try:
            self._queue.put_nowait(json_line(stream_id, event, **more))
        except queue.Full:
            self._complain(f"{self._words[0]} is too slow: an alert was passed over")

    def close(self) -> None:
        """Waits a while for the commands that are due."""
        try:
            self._queue.put(None, timeout=_CLOSE_SECONDS)
        except queue.Full:
            return
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        while (line := self._queue.get()) is not None:
            try:
                done = subprocess.run(
                    self._words,
                    input=line.encode() + b"\n",
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=self._timeout,
                    check=False,
                )
            except OSError as error:
                self._complain(f"{self._words[0]} cannot be run: {error.strerror}")
            except subprocess.TimeoutExpired:
                self._complain(f"{self._words[0]} took more than {self._timeout:g} s")
            else:
                if done.returncode != 0:
                    self._complain(f"{self._words[0]} failed with status {done.returncode}")
