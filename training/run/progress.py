"""How a training tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class Tick(Protocol):
    """Moves a bar on."""

    def __call__(self, done: int, note: str = "", /) -> None:
        """So many more are done; `note` stands beside the bar."""


@dataclass(frozen=True)
class Talk:
    """`bar` opens a progress bar of a title and a total; `say` prints a line that stays."""

    bar: Callable[[str, int], AbstractContextManager[Tick]]
    say: Callable[[str], None]
