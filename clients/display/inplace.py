"""A view that redraws itself in place on a terminal, and prints lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Self

from rich.live import Live


class InPlaceView:
    """Shows its picture while it is entered.

    Args:
        live: the picture; None if only lines are printed.
    """

    def __init__(self, live: Live | None) -> None:
        self._live = live
        self._left = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._left.enter_context(_still())
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        self._left.close()


@contextlib.contextmanager
def _still() -> Iterator[None]:
    """Shows no typed characters, so that the ^C of Ctrl-C tears no border.

    Does nothing without a terminal. What was set before is set again at the end.
    """
    if not sys.stdin.isatty():
        yield
        return
    import termios

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    quiet = list(before)
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(number, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
