"""Where results go: options that mean the same in every verb, checked before the work."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dfd.errors import UserError

_F = TypeVar("_F", bound=Callable[..., Any])


class OutputFile(click.ParamType[Path]):
    """A file that will be written; what would prevent that is reported at once.

    Args:
        suffixes: what its name may end in; if empty, anything.
    """

    name = "file"

    def __init__(self, *suffixes: str) -> None:
        self._suffixes = suffixes

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """Checks the path."""
        path = Path(value)
        if self._suffixes and path.suffix.lower() not in self._suffixes:
            self.fail(f"{value} must end in {' or '.join(self._suffixes)}", param, ctx)
        if path.is_dir():
            self.fail(f"{value} is a folder: name a file in it", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"cannot write {value}: there is no folder {path.parent}", param, ctx)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            self.fail(f"cannot write {value}: permission denied", param, ctx)
        return path


PICTURE = OutputFile(".png", ".svg", ".pdf")


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
