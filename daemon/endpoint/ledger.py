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

    def pay(self, name: str, seconds: float, now: float) -> float:
        """Adds to what time has to pay for; returns until when it does.

        Args:
            name: who used it.
            seconds: how long time takes to pay for it.
            now: on a monotonic clock that is the same for every process on this machine.
        """


# beyond this many names those that time has paid for are forgotten
_PAYING = 1024


class OwnLedger:
    """The ledger of a daemon of one process."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._spent: Counter[str] = Counter()
        self._paid: dict[str, float] = {}
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

    def pay(self, name: str, seconds: float, now: float) -> float:
        """Adds to what time has to pay for; returns until when it does."""
        if len(self._paid) >= _PAYING and name not in self._paid:
            self._paid = {name: until for name, until in self._paid.items() if until > now}
        until = max(self._paid.get(name, now), now) + seconds
        self._paid[name] = until
        return until

    def _roll(self, day: int) -> None:
        if day != self._day:
            self._day = day
            self._spent.clear()
