"""A sink that runs a command for each event."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable

from dfd.clients.alerts.spool import Spool
from dfd.clients.alerts.spooled import SpooledWorkers
from dfd.clients.alerts.worker import Workers
from dfd.clients.events import Event
from dfd.clients.protocol.messages import json_line
from dfd.errors import UserError

_WAITING = 100
_CLOSE_SECONDS = 10.0


class CommandSink:
    """Runs a command for every event, with the event's JSON line on standard input.

    Commands run one after another in a thread, so that audio is never held up. One that takes too
    long is killed; alerts beyond a hundred waiting ones are dropped and reported to `on_error`.

    Args:
        command: split as a shell would, and run without one.
        timeout_seconds: the longest that one run may take.
        on_error: called with one line when something went wrong.
        spool: keeps events whose command has not run beyond the end of the process; a command
            that was running at that moment is run again.

    Raises:
        UserError: if the command is empty or its quotes do not match.
    """

    def __init__(
        self,
        command: str,
        on_error: Callable[[str], None],
        timeout_seconds: float = 30.0,
        spool: Spool | None = None,
    ) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise UserError(f"the command {command!r} cannot be parsed: {error}") from None
        if not self._words:
            raise UserError("the command for alerts is empty: give a program")
        self._timeout = timeout_seconds
        self._workers: Workers | SpooledWorkers
        if spool is None:
            self._workers = Workers(
                "on alert", self._run, threads=1, backlog=_WAITING, on_error=on_error
            )
        else:
            self._workers = SpooledWorkers(
                "on alert",
                lambda delivery: self._run(delivery.line),
                spool,
                threads=1,
                on_error=on_error,
            )

    def emit(self, stream_id: str, event: Event, **more: object) -> None:
        """Takes one event."""
        self._workers.put(json_line(stream_id, event, **more))

    def close(self) -> None:
        """Waits a limited time for the commands that are due."""
        self._workers.close(_CLOSE_SECONDS)

    def _run(self, line: str) -> None:
        program = self._words[0]
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
            raise RuntimeError(f"{program} cannot be run: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{program} took more than {self._timeout:g} s") from None
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed with status {done.returncode}")
