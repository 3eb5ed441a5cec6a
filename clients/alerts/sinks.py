"""Where events go besides the screen: one interface, and JSON lines files.

A sink never holds up audio: slow work belongs in a thread of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import IO, Protocol, Self

from dfd.clients.events import Event
from dfd.clients.protocol.messages import json_line
from dfd.errors import UserError


class EventSink(Protocol):
    """Receives the events of any number of streams."""

    def emit(self, stream_id: str, event: Event, **more: object) -> None:
        """Handles one event; `more` holds further members, such as a file or a call id."""

    def close(self) -> None:
        """Flushes what is waiting and closes; nothing may be emitted afterwards."""


class JsonLinesSink:
    """Writes every event as a JSON line as soon as it arrives.

    Args:
        path: a file, which is overwritten; "-" is standard output.

    Raises:
        UserError: if the file cannot be written, or contains anything other than JSON lines.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._name = os.fspath(path)
        self._own = self._name != "-"
        self._file: IO[str] = _open(self._name) if self._own else sys.stdout

    def emit(self, stream_id: str, event: Event, **more: object) -> None:
        """Writes one event."""
        self.write(json_line(stream_id, event, **more))

    def write(self, line: str) -> None:
        """Writes any other line, such as a report."""
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise UserError(f"{self._name} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Closes the file, but never standard output."""
        if self._own:
            self._file.close()


class Sinks:
    """Several sinks as one; as a context manager it closes them."""

    def __init__(self, sinks: Iterable[EventSink] = ()) -> None:
        self._sinks = tuple(sinks)

    def emit(self, stream_id: str, event: Event, **more: object) -> None:
        """Passes an event to each sink."""
        for sink in self._sinks:
            sink.emit(stream_id, event, **more)

    def close(self) -> None:
        """Closes each sink."""
        for sink in self._sinks:
            sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(name: str) -> IO[str]:
    """Opens a file for writing, but never overwrites a recording named by mistake."""
    try:
        if os.path.exists(name) and not os.path.isfile(name):  # a pipe or a device
            return open(name, "w", encoding="utf-8")
        with open(name, "rb") as old:
            if (first := old.read(1)) and first != b"{":
                raise UserError(
                    f"{name} exists and does not contain JSON lines: choose another file"
                )
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UserError(f"{name} cannot be written: {error.strerror}") from None
    try:
        return open(name, "w", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{name} cannot be written: {error.strerror}") from None
