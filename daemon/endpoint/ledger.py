"""What callers hold and have spent, by name; `multiprocess.ledger` is for several processes."""

from collections import Counter
from typing import Protocol


class Ledger(Protocol):
    """Counts by name."""

    def take(self, name: str, limit: int) -> bool:
        """Takes a place; returns False if `limit` places are taken under this name."""

    def leave(self, name: str) -> None:
        """Gives a place back."""

    def spend(self, name: str, seconds: int, day: int) -> None:
        """Adds to what was spent on a day; earlier days are forgotten."""

    def spent(self, name: str, day: int) -> int:
        """Returns what was spent on a day."""


class OwnLedger:
    """The ledger of a daemon of one process."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._spent: Counter[str] = Counter()
        self._day = 0

    def take(self, name: str, limit: int) -> bool:
        """Takes a place; returns False if `limit` places are taken under this name."""
        if self._held.get(name, 0) >= limit:
            return False
        self._held[name] += 1
        return True

    def holds(self, name: str) -> bool:
        """Returns whether a place is taken under this name."""
        return name in self._held

    def leave(self, name: str) -> None:
        """Gives a place back."""
        self._held[name] -= 1
        if not self._held[name]:
            del self._held[name]

    def spend(self, name: str, seconds: int, day: int) -> None:
        """Adds to what was spent on a day; earlier days are forgotten."""
        self._roll(day)
        self._spent[name] += seconds

    def spent(self, name: str, day: int) -> int:
        """Returns what was spent on a day."""
        self._roll(day)
        return self._spent[name]

    def _roll(self, day: int) -> None:
        if day != self._day:
            self._day = day
            self._spent.clear()
