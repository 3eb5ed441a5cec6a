"""How a training reports its progress."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class Tick(Protocol):
    """Advances a progress bar."""

    def __call__(self, done: int, note: str = "", /) -> None:
        """Adds to the number done; `note` is shown beside the bar."""


@dataclass(frozen=True)
class Talk:
    """`bar` opens a progress bar with a title and a total; `say` prints a line that stays."""

    bar: Callable[[str, int], AbstractContextManager[Tick]]
    say: Callable[[str], None]
