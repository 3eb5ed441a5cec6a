"""Keeps a keyboard from writing into what is drawn in place."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def still() -> Iterator[None]:
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
