"""What bars, lights and time lines are drawn with, on terminals that know it and on ASCII ones."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console


@dataclass(frozen=True, slots=True)
class Marks:
    """The characters of one kind of terminal.

    Attributes:
        full, rest: of a bar, up to its value and beyond.
        on, off: of a light.
        steps: of a time line, lowest first.
        none: of a window without a score.
    """

    full: str
    rest: str
    on: str
    off: str
    steps: str
    none: str

    def step(self, value: float) -> str:
        """Returns the mark of a value from 0 to 1."""
        return self.steps[min(int(value * len(self.steps)), len(self.steps) - 1)]


UNICODE = Marks("█", "─", "●", "○", "▁▂▃▄▅▆▇█", "·")
ASCII = Marks("#", "-", "*", "o", "_.-=+*%#", " ")


def marks_of(console: Console) -> Marks:
    """Returns what a console can show."""
    return ASCII if console.options.ascii_only else UNICODE
