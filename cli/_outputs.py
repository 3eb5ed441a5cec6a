"""Where results go: options that mean the same in every verb, checked before the work."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dfd.errors import UserError

_F = TypeVar("_F", bound=Callable[..., Any])


# what a report, a picture or a log of events may grow to before anybody looks
_FILE_BYTES = 16 << 20


def require_room(folder: Path, needed_bytes: int) -> None:
    """Checks that a folder's disk has room.

    Args:
        folder: one that is there, or that will be made.
        needed_bytes: the least that must be free.

    Raises:
        UserError: if it has not.
    """
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if free < needed_bytes:
        raise UserError(
            f"the disk of {folder} has {free >> 20} MiB left and {needed_bytes >> 20} MiB are"
            " needed: make room, or choose another place"
        )


def require_folder(folder: Path, needed_bytes: int) -> None:
    """Checks that a folder exists or can be created, with enough room in it.

    Raises:
        UserError: if not.
    """
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise UserError(f"cannot write to {folder}: {there} is a file")
    if not os.access(there, os.W_OK):
        raise UserError(f"cannot write to {folder}: permission denied")
    require_room(folder, needed_bytes)


class OutputFile(click.ParamType[Path]):
    """A file that will be written; what would prevent that is reported at once.

    Args:
        suffixes: what its name may end in; if empty, anything.
        pipe: whether - is standard output.
    """

    name = "file"

    def __init__(self, *suffixes: str, pipe: bool = False) -> None:
        self._suffixes = suffixes
        self._pipe = pipe

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """Checks the path."""
        path = Path(value)
        if self._pipe and str(value) == "-":
            return path
        if self._suffixes and path.suffix.lower() not in self._suffixes:
            self.fail(f"{value} must end in {' or '.join(self._suffixes)}", param, ctx)
        if path.is_dir():
            self.fail(f"{value} is a folder: name a file in it", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"cannot write {value}: there is no folder {path.parent}", param, ctx)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            self.fail(f"cannot write {value}: permission denied", param, ctx)
        try:
            require_room(path.parent, _FILE_BYTES)
        except UserError as error:
            self.fail(f"cannot write {value}: {error}", param, ctx)
        return path


PICTURE = OutputFile(".png", ".svg", ".pdf")


class EventsFile(click.ParamType[str]):
    """A file of JSON lines, checked at once; - is standard output."""

    name = "file"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Checks the path."""
        return str(OutputFile(pipe=True).convert(value, param, ctx))


def json_option(what: str) -> Callable[[_F], _F]:
    """Adds `--json`, a switch in every verb."""
    text = f"Write {what} to standard output, and nothing else."
    return click.option("--json", "as_json", is_flag=True, help=text)


def report_option(what: str) -> Callable[[_F], _F]:
    """Adds `--report FILE`, which writes JSON besides what is shown."""
    text = f"Also write {what} to a file, as JSON."
    return click.option("--report", "report_path", type=OutputFile(), metavar="FILE", help=text)


def write_text(path: Path, text: str) -> None:
    """Writes a file that was checked before the work.

    Raises:
        UserError: if it cannot be written after all.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
