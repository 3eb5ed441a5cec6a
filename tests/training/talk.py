"""A Talk that shows nothing and records the messages."""

from collections.abc import Iterator
from contextlib import contextmanager

from dfd.training.run.progress import Talk, Tick


def silent_talk() -> tuple[Talk, list[str]]:
    lines: list[str] = []

    @contextmanager
    def bar(_title: str, _total: int) -> Iterator[Tick]:
        yield lambda _done, _note="": None

    return Talk(bar, lines.append), lines
