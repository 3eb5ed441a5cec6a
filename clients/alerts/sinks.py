"""Where events go besides the screen: one interface, and files of JSON lines.

A sink never holds up audio: what takes long belongs in a thread of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import IO, Protocol, Self

from dfd.clients.events import Event
from dfd.clients.protocol.messages import json_line
from dfd.errors import UserError


class EventSink(Protocol):
    """Takes the events of any number of streams."""

    def emit(self, stream_id: str, event: Event, **more: object) -> None:
        """Takes one event; `more` is what else is known, such as a file or a call's id."""

    def close(self) -> None:
        """Writes out what waits and lets go; nothing may be emitted afterwards."""


class JsonLinesSink:
    """Writes every event as a JSON line, as soon as it is known.

    Args:
        path: a file, begun anew; "-" is standard output.

    Raises:
        UserError: the file cannot be written, or holds something else than JSON lines.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._name = os.fspath(path)
        self._own = self._name != "-"
        self._file: IO[str] = _open(self._name) if self._own else sys.stdout

    def emit(self, stream_id: str, event: Event, **more: object) -> None:
        """Writes one event."""
        self.write(json_line(stream_id, event, **more))

    def write(self, line: str) -> None:
        """Writes a line of another kind, such as a report."""
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise UserError(f"{self._name} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Closes the file, never standard output."""
        if self._own:
            self._file.close()


class Sinks:
    """Several sinks as one; used as a context, which closes them."""

    def __init__(self, sinks: Iterable[EventSink] = ()) -> None:
        self._sinks = tuple(sinks)

    def emit(self, stream_id: str, event: Event, **more: object) -> None:
        """Gives an event to each."""
        for sink in self._sinks:
            sink.emit(stream_id, event, **more)

    def close(self) -> None:
        """Closes each."""
        for sink in self._sinks:
            sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _open(name: str) -> IO[str]:
    """Opens a file to write, but never over a recording named by mistake."""
    try:
        if os.path.exists(name) and not os.path.isfile(name):  # a pipe or a device
            return open(name, "w", encoding="utf-8")
        with open(name, "rb") as old:
            if (first := old.read(1)) and first != b"{":
                raise UserError(f"{name} exists and holds no JSON lines: name another file")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UserError(f"{name} cannot be written: {error.strerror}") from None
    try:
        return open(name, "w", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{name} cannot be written: {error.strerror}") from None
