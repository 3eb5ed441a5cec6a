"""Sources of a recording's bytes: a file, a FIFO, or standard input."""

from __future__ import annotations

import os
import stat
import sys
from io import BufferedReader
from pathlib import Path
from typing import Protocol, cast

from dfd.errors import UserError

STANDARD_INPUT = "-"
_HEAD_BYTES = 4096


class ByteSource(Protocol):
    """What libav reads from; one that can seek has `seek` and `tell` too."""

    def read(self, size: int) -> bytes:
        """Returns at most `size` bytes; none at the end."""


def shown(path: str | os.PathLike[str]) -> str:
    r"""Returns a file's name with non-UTF-8 bytes as \xNN, so that it can be printed anywhere."""
    name = os.fspath(path)
    return "standard input" if name == STANDARD_INPUT else _printable(name)


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")


class Counted:
    """Bytes that can only be read forward; counts them and keeps the first ones.

    Attributes:
        head: the beginning of the input.
        count: number of bytes read so far.
    """

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.head = b""
        self.count = 0

    def read(self, size: int) -> bytes:
        """Reads the next bytes."""
        content = self._file.read1(size)
        if len(self.head) < _HEAD_BYTES:
            self.head += content[: _HEAD_BYTES - len(self.head)]
        self.count += len(content)
        return content


class Input:
    """A named input that exists and may be read.

    Attributes:
        path: the path as given.
        name: the same, in printable characters.
        again: whether it can be read more than once.
        size: its size in bytes; None for a pipe.

    Raises:
        UserError: if it is missing, empty, a folder or may not be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = shown(path)
        self.size: int | None = None
        if os.fspath(path) == STANDARD_INPUT:
            self._pipe: BufferedReader | None = cast("BufferedReader", sys.stdin.buffer)
            self.again = False
            return
        self._pipe = None
        self.again = self._look()

    def open(self) -> BufferedReader:
        """Opens the input at its beginning, buffered, so that its first bytes can be peeked at.

        Raises:
            UserError: if it cannot be opened.
        """
        return self.open_file() if self._pipe is None else self._pipe

    def open_file(self) -> BufferedReader:
        """Opens the file or FIFO at the path."""
        try:
            return self.path.open("rb")
        except OSError as error:
            raise UserError(f"{self.name} cannot be read: {error.strerror}") from None

    def _look(self) -> bool:
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(f"{self.name} does not exist: check the path") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"{self.name} cannot be read: {reason}") from None
        if stat.S_ISDIR(found.st_mode):
            raise UserError(f"{self.name} is a folder: name the recordings in it")
        if not stat.S_ISREG(found.st_mode):
            return False
        self.open_file().close()
        if found.st_size == 0:
            raise UserError(f"{self.name} is empty: name a recording with audio in it")
        self.size = found.st_size
        return True
