"""What a verb waits for: shown in place on a terminal, and as a line now and then elsewhere.

Both go to standard error; a wait of less than a second shows nothing in a pipe.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_FIRST_SECONDS, _EVERY_SECONDS = 1.0, 10.0


class Tick(Protocol):
    """Reports the progress of a wait."""

    def __call__(self, count: float = 1, note: str = "", /) -> None:
        """Adds progress since the last call, and a note on the current item."""


class Waits:
    """The waits of one verb, consecutive or nested.

    Args:
        verb: begins each line, as "detect".
    """

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._depth = 0
        # in a pipe only the innermost of nested waits is reported
        self._told: list[threading.Event] = []

    @contextlib.contextmanager
    def bar(self, title: str, total: float | None = None) -> Iterator[Tick]:
        """Shows one wait until its block ends.

        Args:
            title: what the wait is for, such as "loading the model".
            total: steps until the end; None is not known.

        Yields:
            A function to call at each step.
        """
        shown = self._drawn if self._console.is_terminal else self._lines
        with shown(title, total) as tick:
            yield tick

    def say(self, line: str) -> None:
        """Writes a permanent line above the live display."""
        if self._progress is not None:
            self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)
        else:
            click.echo(line, err=True)

    @contextlib.contextmanager
    def _drawn(self, title: str, total: float | None) -> Iterator[Tick]:
        if self._progress is None:
            self._progress = Progress(
                SpinnerColumn("dots" if self._console.encoding.startswith("utf") else "line"),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[far]}", markup=False),
                console=self._console,
                transient=True,
                # what goes into a pipe must not be drawn here
                redirect_stdout=sys.stdout.isatty(),
            )
            self._progress.start()
        progress, done = self._progress, 0.0
        self._depth += 1
        task = progress.add_task(title, total=total, far="")

        def tick(count: float = 1, note: str = "", /) -> None:
            nonlocal done
            done += count
            progress.update(task, advance=count, far=_far(done, total, note))

        try:
            yield tick
        finally:
            progress.remove_task(task)
            self._depth -= 1
            if not self._depth:
                progress.stop()
                self._progress = None

    @contextlib.contextmanager
    def _lines(self, title: str, total: float | None) -> Iterator[Tick]:
        done, note, began, over = 0.0, "", time.monotonic(), threading.Event()

        def tell() -> None:
            wait = _FIRST_SECONDS
            while not over.wait(wait):
                wait = _EVERY_SECONDS
                if self._told[-1] is not over:
                    continue
                far = _far(done, total, note)
                what = f"{title}: {far}" if far else title
                seconds = time.monotonic() - began
                click.echo(f"dfd {self._verb}: {what}, {seconds:.0f} s so far", err=True)

        def tick(count: float = 1, text: str = "", /) -> None:
            nonlocal done, note
            done, note = done + count, text

        self._told.append(over)
        thread = threading.Thread(target=tell, daemon=True, name="waiting")
        thread.start()
        try:
            yield tick
        finally:
            over.set()
            thread.join()
            self._told.pop()


def _far(done: float, total: float | None, note: str) -> str:
    """Returns the progress in a few words; empty if there is nothing to say."""
    counted = "" if total is None else f"{done:.0f} of {total:.0f}"
    return ", ".join(filter(None, (counted, note)))
